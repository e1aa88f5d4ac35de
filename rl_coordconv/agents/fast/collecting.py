"""Collecting a rollout: act, step, store, in stable-baselines3's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rl_coordconv.agents.fast.acting import PolicyOutput, RolloutActor
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.agents.fast.uploads import ImageUpload
from rl_coordconv.agents.fast.watching import only_watches

if TYPE_CHECKING:
    from rl_coordconv.agents.on_policy import FastOnPolicyAlgorithm


class Collector:
    """Collects one rollout.

    After a callback that may have changed anything, everything is taken from where
    stable-baselines3 takes it: observations and actions from the arrays that the callback saw, the
    policy as it is now. After read-only callbacks, what is known already is not read again.

    Args:
        model: whose bookkeeping (observations, time steps, episodes) goes on.
        env: the model's environment.
        buffer: the model's, reset.
        callback: stable-baselines3's.
    """

    def __init__(
        self,
        model: FastOnPolicyAlgorithm,
        env: VecEnv,
        buffer: DeviceRolloutBuffer,
        callback: BaseCallback,
    ) -> None:
        self.model, self.env, self.buffer, self.callback = model, env, buffer, callback
        self.has_read_only_callbacks = only_watches(callback)
        self.actor = RolloutActor(model, has_read_only_callbacks=self.has_read_only_callbacks)
        self.locals: dict[str, Any] = {
            "self": model,
            "env": env,
            "callback": callback,
            "rollout_buffer": buffer,
            "n_rollout_steps": buffer.buffer_size,
            "n_steps": 0,
        }
        """The names that stable-baselines3's callbacks find in ``self.locals``."""
        self._upload = ImageUpload(model.device)

    def collect(self, n_steps: int) -> bool:
        """Play; return False if the callback ended the training."""
        self.locals["n_rollout_steps"] = n_steps
        for step in range(n_steps):
            output = self._act(step)
            host_actions = output.actions.cpu().numpy()
            if not self.finish(step, output, host_actions, self.env.step(host_actions)):
                return False
        return True

    def _act(self, step: int) -> PolicyOutput:
        observations = self.model._last_obs
        images = self.buffer.images(step)
        if not self.has_read_only_callbacks:
            # The buffer is filled after the callback, which may look into it.
            images = torch.empty_like(images)
        seen = self._upload.put(observations, images)
        self.locals["obs_tensor"] = seen
        return self.actor.act(images, seen)

    def finish(
        self, step: int, output: PolicyOutput, host_actions: NDArray[np.int64], result: Any
    ) -> bool:
        """Let the callback see a step's outcome and store it; False if the callback ends it all.

        Args:
            step: of the rollout.
            output: the policy's, for all environments.
            host_actions: (n_envs,) what was sent to them.
            result: what their step returned.
        """
        model = self.model
        new_obs, rewards, dones, infos = result
        model.num_timesteps += self.env.num_envs
        self.locals |= {
            "n_steps": step,
            "actions": host_actions,
            "clipped_actions": host_actions,
            "values": output.values,
            "log_probs": output.log_probs,
            "new_obs": new_obs,
            "rewards": rewards,
            "dones": dones,
            "infos": infos,
        }
        self.callback.update_locals(self.locals)
        if not self.callback.on_step():
            return False
        model._update_info_buffer(infos, dones)
        if np.any(dones):
            rewards = self._bootstrap_on_truncation(rewards, dones, infos)
        self._store(step, output, host_actions, rewards)
        model._last_obs, model._last_episode_starts = new_obs, dones
        self.locals |= {"idx": self.env.num_envs - 1, "done": dones[-1]}
        return True

    def _store(
        self, step: int, output: PolicyOutput, host_actions: NDArray[np.int64], rewards: Any
    ) -> None:
        starts: Any = self.model._last_episode_starts
        if self.has_read_only_callbacks:
            self.buffer.put(step, *output, rewards, starts)
            return
        self.buffer.add(
            self.model._last_obs,  # type: ignore[arg-type]
            host_actions.reshape(-1, 1),
            rewards,
            starts,
            output.values,
            output.log_probs,
        )

    def _bootstrap_on_truncation(
        self, rewards: Any, dones: Any, infos: list[dict[str, Any]]
    ) -> Any:
        """Bootstrap on truncation: add the discounted value of the last observation to the reward.

        This is done where a time limit, not the game, ended an episode.

        Returns:
            The same rewards, or a copy in float32 of such as cannot hold a fraction (which
            stable-baselines3 would round towards zero).

        Source:
            stable-baselines3 2.9.2, common/on_policy_algorithm.py.
        """
        truncated = [
            index
            for index in np.flatnonzero(dones).tolist()
            if infos[index].get("terminal_observation") is not None
            and infos[index].get("TimeLimit.truncated", False)
        ]
        if not truncated:
            return rewards
        if not np.issubdtype(rewards.dtype, np.floating):
            rewards = self.locals["rewards"] = rewards.astype(np.float32)
        last = [infos[index]["terminal_observation"] for index in truncated]
        values = self.actor.terminal_values(last)
        rewards[truncated] += self.model.gamma * values.cpu().numpy()
        self.locals["terminal_obs"] = torch.as_tensor(last[-1], device=self.model.device)[None]
        self.locals["terminal_value"] = values[-1:]
        return rewards

    def final_locals(self, last_values: Tensor) -> dict[str, Any]:
        """Return the locals after the last step.

        Args:
            last_values: (n_envs, 1) of the observations after it.
        """
        steps = self.locals["n_steps"] + 1
        return self.locals | {
            "n_steps": steps,
            "actions": self.locals["actions"].reshape(-1, 1),
            "values": last_values,
        }
