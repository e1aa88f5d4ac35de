"""A rollout buffer that lives where the network does, and copies an image once on its way in."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

from rl_coordconv.agents.fast.activations import Activations, RolloutActivations
from rl_coordconv.agents.fast.graphs import Graphs


@dataclass(frozen=True)
class Minibatch:
    """B steps of a rollout, on the network's device."""

    images: Tensor
    """(B, channels, H, W) uint8, stored channels-last."""
    actions: Tensor
    """(B,) int64."""
    old_values: Tensor
    """(B,) float32, as all that follow."""
    old_log_probs: Tensor
    advantages: Tensor
    returns: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all fields in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))


class _Stored:
    """A tensor of the buffer shown as the NumPy array that stable-baselines3 has in its place.

    On the CPU the array is a view: what is written into it is in the buffer. Elsewhere it is a
    copy; assign the whole array to change the buffer.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, buffer: Any, owner: type | None = None) -> Any:
        if buffer is None:
            return self
        return buffer._as_sb3(self._name, getattr(buffer, self._name)).cpu().numpy()

    def __set__(self, buffer: Any, value: NDArray[Any]) -> None:
        target = buffer._as_sb3(self._name, getattr(buffer, self._name))
        buffer.activations = None
        target.copy_(torch.as_tensor(np.ascontiguousarray(value)).reshape(target.shape))


class DeviceRolloutBuffer(RolloutBuffer):
    """SB3's rollout buffer of images and discrete actions, as tensors on the network's device.

    Images are stored once, as uint8 with the channels last, in memory that is allocated once.
    `get`, `add` and the arrays keep SB3's shapes and meanings, so that callbacks and stock
    algorithms can use it; unlike SB3's, the arrays keep the shape (steps, environments, ...) after
    `get`.

    Args:
        buffer_size: steps of each environment in a rollout.
        observation_space: (channels, H, W) uint8.
        action_space: Discrete.
        device: where the network is.
        gae_lambda: of generalised advantage estimation; 1 gives the plain advantage.
        gamma: discount.
        n_envs: environments side by side.
    """

    observations = _Stored()
    actions = _Stored()
    values = _Stored()
    log_probs = _Stored()
    advantages = _Stored()
    returns = _Stored()

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: torch.device | str = "auto",
        gae_lambda: float = 1,
        gamma: float = 0.99,
        n_envs: int = 1,
    ) -> None:
        self._is_allocated = False
        self.activations: RolloutActivations | None = None
        """What the network computed from these images when it decided, if that was kept."""
        super().__init__(
            buffer_size, observation_space, action_space, device, gae_lambda, gamma, n_envs
        )

    def reset(self) -> None:
        """Begin a new rollout in the memory of the last one."""
        if not self._is_allocated:
            self._allocate()
        self.pos, self.full, self.generator_ready = 0, False, False
        self.activations = None

    def _allocate(self) -> None:
        size = (self.buffer_size, self.n_envs)
        channels, height, width = self.obs_shape
        # Zeros, so that a rollout cut short holds no old memory.
        self._observations = torch.zeros(
            *size, height, width, channels, dtype=torch.uint8, device=self.device
        )
        self._actions = torch.zeros(size, dtype=torch.int64, device=self.device)
        self._values = torch.zeros(size, device=self.device)
        self._log_probs = torch.zeros(size, device=self.device)
        self._advantages = torch.zeros(size, device=self.device)
        self._returns = torch.zeros(size, device=self.device)
        # These come from the environments, and go to the device once a rollout.
        self.rewards = np.zeros(size, dtype=np.float32)
        self.episode_starts = np.zeros(size, dtype=np.float32)
        self._is_allocated = True

    def _as_sb3(self, name: str, stored: Tensor) -> Tensor:
        if name == "_observations":
            return stored.permute(0, 1, 4, 2, 3)
        return stored.unsqueeze(-1) if name == "_actions" else stored

    @property
    def noise_shape(self) -> tuple[int, int]:
        """(n_envs, actions): how many random numbers the decisions of a step take."""
        return self.n_envs, int(self.action_space.n)  # type: ignore[attr-defined]

    def images(self, step: int) -> Tensor:
        """Return the place of a step's images, (n_envs, channels, H, W), to be filled."""
        return self._observations[step].permute(0, 3, 1, 2)

    def pixels(self, step: int, part: slice) -> NDArray[np.uint32]:
        """Return the images of a step of four frames, on the CPU, as integers: (n, H, W)."""
        integers: NDArray[np.uint32] = self._observations[step, part].numpy().view(np.uint32)
        return integers[..., 0]

    def put_decision(
        self, step: int, part: slice, actions: Tensor, values: Tensor, log_probs: Tensor
    ) -> None:
        """Store what was decided for some environments.

        Args:
            step: of the rollout.
            part: which environments, n of them.
            actions: (n,) int64.
            values: (n, 1) or (n,).
            log_probs: (n,).
        """
        self._actions[step, part] = actions
        self._values[step, part] = values.flatten()
        self._log_probs[step, part] = log_probs

    def decision(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return a step's actions, values and log-probabilities, (n_envs,) each."""
        return self._actions[step], self._values[step], self._log_probs[step]

    def put_outcome(
        self, step: int, rewards: NDArray[np.float32], episode_starts: NDArray[Any] | None
    ) -> None:
        """Store what came of a step, which is complete then.

        Args:
            step: of the rollout.
            rewards: (n_envs,).
            episode_starts: (n_envs,) whether the images are the first of an episode.
        """
        self.rewards[step] = rewards
        self.episode_starts[step] = episode_starts
        self.pos = step + 1
        self.full = self.pos == self.buffer_size

    def add(
        self,
        obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        episode_start: NDArray[Any],
        value: Tensor,
        log_prob: Tensor,
    ) -> None:
        """Store a step as stable-baselines3's own collection does."""
        step = self.pos
        self.activations = None
        self.images(step).copy_(torch.as_tensor(obs))
        actions = torch.as_tensor(action).reshape(self.n_envs)
        self.put_decision(step, slice(None), actions, value, log_prob.flatten())
        self.put_outcome(step, reward, episode_start)

    def compute_returns_and_advantage(
        self, last_values: Tensor, dones: NDArray[Any], graphs: Graphs | None = None
    ) -> None:
        """Compute lambda-returns and generalised advantages on the device.

        Args:
            last_values: (n_envs, 1) or (n_envs,), of the observations after the last step.
            dones: (n_envs,) whether the last step ended an episode.
            graphs: replays the computation if given.

        Source:
            Schulman et al. 2016 (arXiv 1506.02438); the operations and their order are SB3's.
        """
        rewards = self._upload(self.rewards)
        starts = np.concatenate([self.episode_starts[1:], np.asarray(dones, np.float32)[None]])
        goes_on = 1.0 - self._upload(starts)
        last_values = last_values.detach().to(self.device).flatten()
        if graphs is None:
            self._estimate(rewards, goes_on, last_values)
        else:
            graphs.call(f"advantages {id(self)}", self._estimate, rewards, goes_on, last_values)

    @torch.no_grad()
    def _estimate(
        self, rewards: Tensor, goes_on: Tensor, last_values: Tensor
    ) -> tuple[Tensor, ...]:
        next_values = torch.cat([self._values[1:], last_values.unsqueeze(0)])
        deltas = rewards + self.gamma * next_values * goes_on - self._values
        decay = self.gamma * self.gae_lambda * goes_on
        advantage = torch.zeros_like(last_values)
        for step in reversed(range(self.buffer_size)):
            advantage = deltas[step] + decay[step] * advantage
            self._advantages[step] = advantage
        torch.add(self._advantages, self._values, out=self._returns)
        return ()

    def _upload(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        if self.device.type != "cuda":
            return tensor
        # From pinned memory, a copy does not wait for the work before it.
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def minibatches(self, batch_size: int | None = None) -> Generator[Minibatch, None, None]:
        """Yield all steps once, shuffled by NumPy's global generator just as SB3 shuffles them.

        Args:
            batch_size: steps in a minibatch; None yields all at once.
        """
        total = self.buffer_size * self.n_envs
        # SB3 counts environment by environment, this memory step by step.
        env, step = np.divmod(np.random.permutation(total), self.buffer_size)
        rows = self._upload(step * self.n_envs + env)
        for chosen in rows.split(batch_size or total):
            yield self.take(chosen)

    def take(self, rows: Tensor) -> Minibatch:
        """Gather steps.

        Args:
            rows: (B,) int64, step * n_envs + environment.
        """
        channels, height, width = self.obs_shape
        total = self.buffer_size * self.n_envs
        pixels = self._observations.view(total, -1).index_select(0, rows)
        fields = (self._actions, self._values, self._log_probs, self._advantages, self._returns)
        return Minibatch(
            pixels.view(-1, height, width, channels).permute(0, 3, 1, 2),
            *(field.view(total).index_select(0, rows) for field in fields),
        )

    def everything(self) -> Minibatch:
        """Return all steps in the order in which they were decided; its images are no copy.

        Draws from NumPy's generator what `minibatches` would, so that the same seed goes on alike.
        """
        total = self.buffer_size * self.n_envs
        np.random.permutation(total)
        fields = (self._actions, self._values, self._log_probs, self._advantages, self._returns)
        images = self._observations.flatten(0, 1).permute(0, 3, 1, 2)
        return Minibatch(images, *(field.view(total) for field in fields))

    def take_activations(self) -> Activations | None:
        """Return, once, what the network has computed for `everything`; None if it is not known."""
        kept, self.activations = self.activations, None
        return None if kept is None else kept.joined(self.buffer_size * self.n_envs)

    def explained_variance(self) -> Tensor:
        """Return the share of the returns' variance that the values explain, (1,); NaN without any.

        Source:
            stable-baselines3 2.9.2, common/utils.py, explained_variance.
        """
        variance = self._returns.var(correction=0)
        unexplained = (self._returns - self._values).var(correction=0)
        return torch.where(variance == 0, torch.nan, 1 - unexplained / variance).unsqueeze(0)

    def is_finite(self) -> bool:
        """Tell whether all values and log-probabilities are numbers; waits for the device."""
        return bool((self._values.isfinite() & self._log_probs.isfinite()).all())

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        """Yield all steps once in SB3's own form."""
        assert self.full, "the rollout is not complete"
        for batch in self.minibatches(batch_size):
            yield RolloutBufferSamples(
                batch.images,
                batch.actions.float().unsqueeze(-1),
                batch.old_values,
                batch.old_log_probs,
                batch.advantages,
                batch.returns,
            )
