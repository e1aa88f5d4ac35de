"""What the rest of the library has to know about an environment, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv.envs.protocols import Protocol
from rl_coordconv.envs.suites import ReferenceScores

TRAINING_SPLIT = "train"


@dataclass(frozen=True)
class EnvRequest:
    """Which sub-environments are to be built, side by side.

    Attributes:
        n_envs: how many.
        protocol: of an Atari game; None for all others.
        seed: seeds sub-environment i with ``seed + i`` at the next reset; None leaves it to chance.
        num_threads: emulator threads; None takes the cores this process may use.
        render_mode: ``"rgb_array"`` makes `get_images` return the screens.
        split: of environments that have several.
    """

    n_envs: int
    protocol: Protocol | None = None
    seed: int | None = None
    num_threads: int | None = None
    render_mode: str | None = None
    split: str = TRAINING_SPLIT


@dataclass(frozen=True)
class EnvSpec:
    """What a name stands for.

    Attributes:
        name: as configurations, reports and directories have it.
        make: builds the sub-environments that it is asked for.
        spaces: returns the spaces of observations and actions under a protocol; None for actions
            that are known only once the environment is made.
        steps_per_second: returns the agent steps in a second of real time under a protocol, for
            videos.
        has_protocols: whether it is presented under one of the protocols by name.
        splits: where an agent is judged beside the split that it is trained in.
        reference: scores of a random agent and a human; None where nobody has published any.
        alternates_beside_gpu: whether its emulation is worth overlapping with a GPU's arithmetic.
    """

    name: str
    make: Callable[[EnvRequest], VecEnv]
    spaces: Callable[[Protocol | None], tuple[spaces.Space, spaces.Space | None]]
    steps_per_second: Callable[[Protocol | None], float]
    has_protocols: bool = False
    splits: tuple[str, ...] = ()
    reference: ReferenceScores | None = None
    alternates_beside_gpu: bool = False


@dataclass(frozen=True)
class EnvFamily:
    """Environments of one kind, and how they are found.

    Attributes:
        find: returns what a name stands for; None for a name that is none of this family's.
        names: returns the names of all of them, for error messages.
    """

    find: Callable[[str], EnvSpec | None]
    names: Callable[[], list[str]]
