"""Evaluation and training protocols of the Arcade Learning Environment, every knob spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rl_coordconv._util.errors import unknown_name
from rl_coordconv._util.validation import validate

MAX_INT = 2**31 - 1
"""ale-py keeps its settings in 32 bits with a sign."""

Positive = Annotated[int, Field(gt=0, le=MAX_INT)]


class Protocol(BaseModel):
    """How a game is presented to an agent.

    Observations are always the maximum over the last two grey frames of an agent step, shrunk to
    84 x 84, the last four of them stacked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    """What the protocol is called; free for one's own."""
    frame_skip: Positive = 4
    """Emulator frames that an action is held for; their rewards are summed."""
    frame_stack: Positive = 4
    """Images in an observation, oldest first; black before the game began."""
    noop_max: Annotated[int, Field(ge=0, le=MAX_INT)] = 30
    """A game begins with a random number of frames, below this one, of doing nothing."""
    repeat_action_probability: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Sticky actions: how likely the emulator is to repeat the last action in a frame."""
    full_action_space: bool = False
    """All 18 actions rather than those that do something in the game."""
    fire_on_reset: bool = True
    """Press FIRE for one frame as a game begins, where the game knows FIRE."""
    life_loss_ends_episode: bool = True
    """Report ``done`` when a life is lost; the game itself goes on."""
    fire_on_life_loss: bool = False
    """Press FIRE in the agent's place in the step after a life was lost, where the game knows FIRE.

    The transition that an algorithm stores then holds the agent's action although FIRE was
    executed; ``info["executed_action"]`` of that step tells the index of FIRE, so that the sample
    can be masked. Off, the agent has to find out for itself that FIRE serves the ball.
    """
    clip_rewards: bool = True
    """Train on the sign of the reward. ``info["episode"]["r"]`` is always the raw score."""
    max_frames_per_episode: Positive = 108_000
    """Emulator frames after which a game is truncated: half an hour of play."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a changed copy, checked as a new protocol is, which pydantic's own is not.

        Args:
            update: new values by the knobs' names.
            deep: without effect; a protocol holds nothing that could be shared.

        Raises:
            InputError: there is no such knob, or its value is not allowed.
        """
        knobs = {**self.model_dump(), **(update or {})}
        fields = type(self).model_fields
        return validate(TypeAdapter(type(self)), knobs, where="the protocol", keys=fields)

    def describe_images(self) -> str:
        """Say what the channels of an observation are, for whoever has to make them elsewhere."""
        return (
            f"{self.frame_stack} channels, one an agent step, the oldest first and black before "
            f"the game began; each the maximum over the last two of {self.frame_skip} emulator "
            "frames, in grey, shrunk to 84 x 84"
        )

    def for_evaluation(self) -> Protocol:
        """Return the same protocol with full episodes (to game over) and raw rewards."""
        return self.model_copy(update={"life_loss_ends_episode": False, "clip_rewards": False})


PROTOCOLS: dict[str, Protocol] = {
    # Mnih et al. 2015; Baselines and SB3 differ from it in pressing FIRE after a lost life.
    "deepmind": Protocol(name="deepmind"),
    # Machado et al. 2018 (arXiv 1709.06009), section 5 and table 8: sticky actions, full episodes.
    # They also recommend all 18 actions; Gymnasium's v5 environments, and we, take the minimal set.
    "machado": Protocol(
        name="machado",
        noop_max=0,
        repeat_action_probability=0.25,
        fire_on_reset=False,
        life_loss_ends_episode=False,
    ),
}
"""The protocols by name."""


def load_protocol(name: str) -> Protocol:
    """Return a protocol by its name.

    Raises:
        UnknownNameError: no such protocol; names the closest.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
