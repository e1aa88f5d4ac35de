"""Playing a rollout: decide, step, store; with groups of environments, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rl_coordconv.agents.fast.network import Evaluate, draw_noise
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.agents.fast.uploads import ImageUpload

Decide = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""Takes images and noise; returns actions, values and log-probabilities."""
StepResult = tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]


class Collector:
    """Plays one rollout with a policy that does not change meanwhile.

    An environment that has ``groups`` of its own (and is not wrapped, which would be passed by) is
    played group by group: while one is emulated, the next one's actions are computed and the step
    before is stored. A callback's `on_step` then runs while the next step is already on its way,
    and where it ends the training that step is played and dropped.

    Args:
        model: whose bookkeeping (observations, time steps, episodes) goes on.
        env: the model's environment.
        buffer: the model's, reset.
        callback: stable-baselines3's.
        evaluate: the frozen network.
        decide: the same with actions drawn from it.
    """

    def __init__(
        self,
        model: OnPolicyAlgorithm,
        env: VecEnv,
        buffer: DeviceRolloutBuffer,
        callback: BaseCallback,
        evaluate: Evaluate,
        decide: Decide,
    ) -> None:
        self._model, self._env, self._buffer = model, env, buffer
        self._callback, self._evaluate, self._decide_from = callback, evaluate, decide
        self._groups: list[VecEnv] = vars(env).get("groups") or [env]
        ends = np.cumsum([group.num_envs for group in self._groups]).tolist()
        self._slices = [
            slice(end - group.num_envs, end) for group, end in zip(self._groups, ends, strict=True)
        ]
        self._uploads = [ImageUpload(buffer, part) for part in self._slices]
        self._observations = [np.asarray(model._last_obs)[part] for part in self._slices]
        self._results: list[StepResult | None] = [None] * len(self._groups)
        self._in_flight = [False] * len(self._groups)
        self._noise = torch.empty(0)

    @property
    def is_pipelined(self) -> bool:
        """Whether there are groups to alternate between."""
        return len(self._groups) > 1

    def collect(self, n_steps: int) -> bool:
        """Play; return False if the callback ended the training."""
        try:
            with self._divided_threads():
                return self._collect(n_steps)
        finally:
            self._drain()

    def _collect(self, n_steps: int) -> bool:
        for step in range(n_steps):
            self._noise = draw_noise(self._buffer.noise_shape, self._buffer.device)
            for index in range(len(self._groups)):
                self._receive(index)
                self._decide(index, step)
            if self.is_pipelined:
                if step > 0 and not self._finish(step - 1):
                    return False
            elif not self._finish(step):
                return False
        return not self.is_pipelined or self._finish(n_steps - 1)

    def _decide(self, index: int, step: int) -> None:
        """Compute a group's actions from its observations and send them."""
        part = self._slices[index]
        group = self._groups[index]
        # Not by getattr: a wrapper would answer for the environment inside it.
        new_games = vars(group).get("new_games")
        images = self._uploads[index].put(step, self._observations[index], new_games)
        decision = self._decide_from(images, self._noise[part])
        self._buffer.put_decision(step, part, *decision)
        group.step_async(decision[0].cpu().numpy())
        self._in_flight[index] = True

    def _receive(self, index: int) -> None:
        """Wait for a group's step, if it is in one."""
        if not self._in_flight[index]:
            return
        self._in_flight[index] = False
        result: Any = self._groups[index].step_wait()
        self._observations[index] = result[0]
        self._results[index] = result

    def _join(self) -> StepResult:
        """Take the results of the step that all groups have finished."""
        results: list[Any] = []
        for index in range(len(self._groups)):
            if self._results[index] is None:
                self._receive(index)
            results.append(self._results[index])
            self._results[index] = None
        if len(results) == 1:
            only: StepResult = results[0]
            return only
        observations, rewards, dones, infos = zip(*results, strict=True)
        every_info = [info for group in infos for info in group]
        return (
            np.concatenate(observations),
            np.concatenate(rewards),
            np.concatenate(dones),
            every_info,
        )

    def _finish(self, step: int) -> bool:
        """Store a step's outcome and let the callback see it."""
        model, buffer = self._model, self._buffer
        new_obs, rewards, dones, infos = self._join()
        model.num_timesteps += self._env.num_envs
        self._callback.update_locals(self._describe(step, new_obs, rewards, dones, infos))
        if not self._callback.on_step():
            return False
        model._update_info_buffer(infos, dones)
        if dones.any():
            self._add_value_of_the_rest(rewards, dones, infos)
        buffer.put_outcome(step, rewards, model._last_episode_starts)
        model._last_obs, model._last_episode_starts = new_obs, dones
        return True

    def _describe(
        self,
        step: int,
        new_obs: Any,
        rewards: NDArray[np.float32],
        dones: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> dict[str, Any]:
        """Return the names that stable-baselines3's callbacks find in ``self.locals``."""
        # Copies: a callback may keep them, and the next rollout overwrites the buffer.
        actions, values, log_probs = (part.clone() for part in self._buffer.decision(step))
        host_actions = actions.cpu().numpy()
        if self._buffer.device.type == "cpu":
            images = torch.as_tensor(self._model._last_obs)
        else:
            images = self._buffer.images(step).clone()
        return {
            "self": self._model,
            "env": self._env,
            "callback": self._callback,
            "rollout_buffer": self._buffer,
            "n_rollout_steps": self._buffer.buffer_size,
            "n_steps": step,
            "obs_tensor": images,
            "actions": host_actions,
            "clipped_actions": host_actions,
            "values": values.unsqueeze(-1),
            "log_probs": log_probs,
            "new_obs": new_obs,
            "rewards": rewards,
            "dones": dones,
            "infos": infos,
        }

    def _add_value_of_the_rest(
        self,
        rewards: NDArray[np.float32],
        dones: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """Add what was still to come where a time limit, not the game, ended an episode.

        Source:
            stable-baselines3 2.9.2, common/on_policy_algorithm.py.
        """
        cut_off = [
            index
            for index in np.flatnonzero(dones).tolist()
            if infos[index].get("terminal_observation") is not None
            and infos[index].get("TimeLimit.truncated", False)
        ]
        if cut_off:
            last = np.stack([infos[index]["terminal_observation"] for index in cut_off])
            rewards[cut_off] += self._model.gamma * self.values_of(last).cpu().numpy()

    def values_of(self, observations: Any) -> Tensor:
        """Return the network's values of observations, (N,)."""
        images = torch.as_tensor(observations).to(self._buffer.device)
        _, values = self._evaluate(images.contiguous(memory_format=torch.channels_last))
        return values.flatten()

    def _drain(self) -> None:
        """Bring every group to rest, whatever happened, so that nothing waits for ever."""
        if not any(self._in_flight):
            return
        for index in range(len(self._groups)):
            self._receive(index)
        self._model._last_obs = np.concatenate(self._observations)

    @contextmanager
    def _divided_threads(self) -> Iterator[None]:
        """Leave cores to the emulator where both work at the same time."""
        threads = torch.get_num_threads()
        if self.is_pipelined and self._buffer.device.type == "cpu":
            torch.set_num_threads(max(1, threads // 2))
        try:
            yield
        finally:
            torch.set_num_threads(threads)
