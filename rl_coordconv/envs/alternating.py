"""Several vector environments as one, so that some can be stepped while the policy acts for others.

A learner that knows the groups sends one group's actions and computes the next group's while the
first is emulated. What every sub-environment sees depends on its own actions alone, so that
nothing depends on timing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnv,
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)

from rl_coordconv._util.errors import InputError


class AlternatingVecEnv(VecEnv):
    """Vector environments of one kind, side by side.

    To stable-baselines3 it is one vector environment. The fast agents step its `groups` in turn.

    Args:
        groups: at least one, all with the same spaces. Sub-environments are numbered
            through.

    Raises:
        InputError: no group, or groups whose spaces differ.
    """

    may_step_groups = True
    """That stepping every group and joining what they return is all that a step does; of this very
    class, a subclass would have to say so itself."""

    def __init__(self, groups: Sequence[VecEnv]) -> None:
        if not groups:
            raise InputError("AlternatingVecEnv needs at least one group")
        first = groups[0]
        for group in groups[1:]:
            if (group.observation_space, group.action_space) != (
                first.observation_space,
                first.action_space,
            ):
                raise InputError(
                    f"groups must have the same spaces, but {group.observation_space} and "
                    f"{group.action_space} differ from {first.observation_space} and "
                    f"{first.action_space}"
                )
        self.groups: list[VecEnv] = list(groups)
        """The parts; whoever steps one of them alone must bring all of them to the same step."""
        ends = np.cumsum([group.num_envs for group in groups]).tolist()
        self.slices: list[slice] = [
            slice(end - group.num_envs, end) for group, end in zip(groups, ends, strict=True)
        ]
        """Which sub-environments each group holds."""
        super().__init__(ends[-1], first.observation_space, first.action_space)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed sub-environment i with ``seed + i``, from the next `reset` on; None draws one."""
        if seed is None:
            seed = int(np.random.randint(0, 2**31 - 1 - self.num_envs))
        seeds: list[int | None] = []
        for group, part in zip(self.groups, self.slices, strict=True):
            seeds += group.seed(seed + part.start)
        return seeds

    def set_options(self, options: list[dict[str, Any]] | dict[str, Any] | None = None) -> None:
        """Pass options on to every group's next reset."""
        for group, part in zip(self.groups, self.slices, strict=True):
            group.set_options(options[part] if isinstance(options, list) else options)

    def reset(self) -> VecEnvObs:
        """Begin new games everywhere."""
        observations = [np.asarray(group.reset()) for group in self.groups]
        self.reset_infos = [info for group in self.groups for info in group.reset_infos]
        return np.concatenate(observations)

    def step_async(self, actions: NDArray[np.integer]) -> None:
        """Start a step in every group, or in none.

        Args:
            actions: (n_envs, ...), in the action space.

        Raises:
            InputError: there are too few or too many, or one is not in the action space.
        """
        actions = np.asarray(actions)
        if len(actions) != self.num_envs:
            raise InputError(f"{len(actions)} actions for {self.num_envs} environments")
        # Before the first group is sent its own: it could not be stopped any more.
        check_discrete_actions(actions, self.action_space)
        for group, part in zip(self.groups, self.slices, strict=True):
            group.step_async(actions[part])

    def step_wait(self) -> VecEnvStepReturn:
        """Finish it."""
        return self.join([group.step_wait() for group in self.groups])

    @staticmethod
    def join(steps: Sequence[VecEnvStepReturn]) -> VecEnvStepReturn:
        """Put the groups' results of one step side by side."""
        observations, rewards, dones, infos = zip(*steps, strict=True)
        return (
            np.concatenate(observations),
            np.concatenate(rewards),
            np.concatenate(dones),
            [info for group in infos for info in group],
        )

    def close(self) -> None:
        """Close every group."""
        for group in self.groups:
            group.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return every sub-environment's screen."""
        return [image for group in self.groups for image in group.get_images()]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of each chosen sub-environment."""
        return self._ask(indices, lambda group, index: group.get_attr(attr_name, index))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of each chosen sub-environment."""
        self._ask(indices, lambda group, index: group.set_attr(attr_name, value, index) or [None])

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of each chosen sub-environment."""
        return self._ask(
            indices,
            lambda group, index: group.env_method(
                method_name, *method_args, indices=index, **method_kwargs
            ),
        )

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Tell for each chosen sub-environment whether it is wrapped."""
        return self._ask(indices, lambda group, index: group.env_is_wrapped(wrapper_class, index))

    def _ask(
        self, indices: VecEnvIndices, question: Callable[[VecEnv, list[int]], list[Any]]
    ) -> list[Any]:
        answers: list[Any] = []
        for index in self._indices(indices):
            for group, part in zip(self.groups, self.slices, strict=True):
                if part.start <= index < part.stop:
                    answers += question(group, [index - part.start])
        return answers

    def _indices(self, indices: VecEnvIndices) -> Iterable[int]:
        return self._get_indices(indices)


def check_discrete_actions(actions: NDArray[Any], space: gym.Space) -> None:
    """Refuse actions that are not integers in a Discrete space; others are not looked at.

    Raises:
        InputError: names the first action that is not allowed, and what is.
    """
    if not isinstance(space, spaces.Discrete):
        return
    if not np.issubdtype(actions.dtype, np.integer):
        raise InputError(f"actions are {actions.dtype}, not integers")
    first, last = int(space.start), int(space.start + space.n - 1)
    wrong = np.flatnonzero((actions < first) | (actions > last))
    if len(wrong):
        raise InputError(
            f"action {actions.flat[wrong[0]]} of environment {wrong[0]} is not between {first} and "
            f"{last}"
        )
