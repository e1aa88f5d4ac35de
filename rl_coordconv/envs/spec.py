"""What the rest of the library has to know about an environment, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv.envs.protocols import Protocol
from rl_coordconv.envs.suites import ReferenceScores

TRAINING_SPLIT = "train"


class MakeVecEnv(Interface):
    """Builds an environment's sub-environments side by side."""

    def __call__(
        self,
        n_envs: int,
        *,
        protocol: Protocol | None,
        seed: int | None,
        num_threads: int | None,
        render_mode: str | None,
        split: str,
    ) -> VecEnv:
        """Build them; arguments as for `rl_coordconv.envs.make_vec_env`."""


@dataclass(frozen=True)
class EnvSpec:
    """What a name stands for.

    Attributes:
        name: as configurations, reports and directories have it.
        make: builds sub-environments side by side.
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
    make: MakeVecEnv
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
