"""A rollout buffer that lives where the network does, and copies an image once on its way in."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

from rl_coordconv.agents.fast.activations import Activations, RolloutActivations
from rl_coordconv.agents.fast.advantages import estimate_advantages
from rl_coordconv.agents.fast.graphs import Graphs
from rl_coordconv.agents.fast.stored_arrays import StoredArray
from rl_coordconv.agents.fast.uploads import copy_channels_last


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


class DeviceRolloutBuffer(RolloutBuffer):
    """SB3's rollout buffer of images and discrete actions, as tensors on the network's device.

    Images are stored once, as uint8 with the channels last. `get`, `add` and the arrays keep SB3's
    shapes and meanings, so that callbacks and stock algorithms can use it. A rollout takes the
    memory of the one before, unless somebody has looked at its arrays and so may have kept them.

    Args:
        buffer_size: steps of each environment in a rollout.
        observation_space: (channels, H, W) uint8.
        action_space: Discrete.
        device: where the network is.
        gae_lambda: of generalised advantage estimation; 1 gives the plain advantage.
        gamma: discount.
        n_envs: parallel environments.
    """

    observations = StoredArray()
    actions = StoredArray()
    values = StoredArray()
    log_probs = StoredArray()
    advantages = StoredArray()
    returns = StoredArray()

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
        self._is_allocated = self._is_shared = False
        self._flattened: dict[str, NDArray[Any]] = {}
        self.activations: RolloutActivations | None = None
        """The activations for these images, cached when the policy acted, if they can be used."""
        self.graphs: Graphs | None = None
        """Replays the computation of returns and advantages, if set."""
        super().__init__(
            buffer_size, observation_space, action_space, device, gae_lambda, gamma, n_envs
        )

    def reset(self) -> None:
        """Begin a new rollout."""
        size = (self.buffer_size, self.n_envs)
        if self._is_shared or not self._is_allocated:
            self._allocate(size)
        # These come from the environments, and go to the device once a rollout.
        self.rewards = np.zeros(size, dtype=np.float32)
        self.episode_starts = np.zeros(size, dtype=np.float32)
        self.pos, self.full, self.generator_ready = 0, False, False
        self._flattened.clear()
        self.activations = None

    def _share(self) -> None:
        """Note that somebody sees the arrays: they become his, and hold what he expects."""
        self.activations = None
        if not self._is_shared:
            self._is_shared = True
            for tensor in (self._observations, self._actions, self._values, self._log_probs):
                tensor[self.pos :] = 0  # what is left of the rollout before
            if not self.full:
                self._advantages.zero_()
                self._returns.zero_()

    def _allocate(self, size: tuple[int, int]) -> None:
        channels, height, width = self.obs_shape
        self._observations = torch.zeros(
            *size, height, width, channels, dtype=torch.uint8, device=self.device
        )
        self._actions = torch.zeros(size, dtype=torch.int64, device=self.device)
        self._values = torch.zeros(size, dtype=torch.float32, device=self.device)
        self._log_probs = torch.zeros(size, dtype=torch.float32, device=self.device)
        self._advantages = torch.zeros(size, dtype=torch.float32, device=self.device)
        self._returns = torch.zeros(size, dtype=torch.float32, device=self.device)
        self._is_allocated, self._is_shared = True, False

    def _as_sb3(self, name: str, stored: Tensor) -> Tensor:
        if name == "_observations":
            return stored.permute(0, 1, 4, 2, 3)
        return stored.unsqueeze(-1) if name == "_actions" else stored

    def _flattened_array(self, name: str) -> NDArray[Any]:
        """Return the array of a rollout that was read, (n_envs x steps, ...): always the same."""
        if name not in self._flattened:
            array = self._as_sb3(name, getattr(self, name)).cpu().numpy()
            # A copy also where there is but one environment.
            self._flattened[name] = self.swap_and_flatten(array).copy()
        return self._flattened[name]

    def _put_flattened(self, name: str, array: NDArray[Any]) -> None:
        target = self._as_sb3(name, getattr(self, name))
        given = torch.as_tensor(array).reshape(self.n_envs, self.buffer_size, *target.shape[2:])
        target.copy_(given.transpose(0, 1))

    def _take_over(self) -> None:
        """Store what may have been written into the arrays of a rollout that has been read."""
        for name, array in self._flattened.items():
            self._put_flattened(name, array)

    def images(self, step: int) -> Tensor:
        """Return the tensor for a step's images, (n_envs, channels, H, W), to be filled."""
        return self._observations[step].permute(0, 3, 1, 2)

    def put(
        self,
        step: int,
        actions: Tensor,
        values: Tensor,
        log_probs: Tensor,
        rewards: NDArray[Any],
        episode_starts: NDArray[Any],
    ) -> None:
        """Store a step whose images are in the buffer already.

        Args:
            step: of the rollout.
            actions: (n_envs,) integers.
            values: (n_envs, 1) or (n_envs,).
            log_probs: (n_envs,).
            rewards: (n_envs,).
            episode_starts: (n_envs,) whether the images are the first of an episode.
        """
        self._actions[step] = actions
        self._values[step] = values.flatten()
        self._log_probs[step] = log_probs
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
        out = self.images(self.pos)
        given = torch.as_tensor(obs)
        if self.device.type == "cpu":
            copy_channels_last(given, out)
        else:
            out.copy_(given)
        actions = torch.as_tensor(action).reshape(self.n_envs)
        self.put(self.pos, actions, value, log_prob.flatten(), reward, episode_start)

    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[Any]) -> None:
        """Compute lambda-returns and generalised advantages on the device.

        Args:
            last_values: (n_envs, 1) or (n_envs,), of the observations after the last step.
            dones: (n_envs,) whether the last step ended an episode.

        Raises:
            ValueError: the rollout has been read: its arrays are flattened, as stable-baselines3's
                are, which fails here as well.

        Source:
            Schulman et al. 2016 (arXiv 1506.02438); the operations and their order are SB3's.
        """
        if self.generator_ready and self.n_envs > 1:
            raise ValueError(
                "returns cannot be computed after `get` has read the rollout, which flattens "
                "its arrays; compute them before the update"
            )
        self._take_over()
        starts = np.concatenate([self.episode_starts[1:], np.asarray(dones, np.float32)[None]])
        inputs = (
            self._values,
            self._upload(np.asarray(self.rewards, np.float32)),
            1.0 - self._upload(starts),
            last_values.detach().to(self.device).flatten(),
        )
        gamma, decay = float(self.gamma), float(self.gamma) * float(self.gae_lambda)
        estimate = partial(estimate_advantages, gamma=gamma, decay=decay)
        if self.graphs is None:
            advantages, returns = estimate(*inputs)
        else:
            advantages, returns = self.graphs.call("advantages", estimate, inputs, (gamma, decay))
        self._advantages.copy_(advantages)
        self._returns.copy_(returns)
        for name in self._flattened.keys() & {"_advantages", "_returns"}:
            array = self._as_sb3(name, getattr(self, name)).cpu().numpy()
            self._flattened[name][...] = self.swap_and_flatten(array)

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
        total = self._begin_reading()
        # SB3 counts environment by environment, this memory step by step.
        env, step = np.divmod(np.random.permutation(total), self.buffer_size)
        rows = self._upload(step * self.n_envs + env)
        for chosen in rows.split(batch_size or total):
            yield self.take(chosen)

    def _begin_reading(self) -> int:
        """Return how many steps there are; from now on the arrays are SB3's flattened ones."""
        assert self.full, "the rollout is not complete"
        self._take_over()
        self.generator_ready = True
        return self.buffer_size * self.n_envs

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

    def full_batch(self) -> Minibatch:
        """Return all steps as one batch, in the order of collection; its images are no copy.

        Draws from NumPy's generator what `minibatches` would, so that the same seed goes on alike.
        """
        total = self._begin_reading()
        np.random.permutation(total)
        fields = (self._actions, self._values, self._log_probs, self._advantages, self._returns)
        return Minibatch(self._all_images(), *(field.view(total) for field in fields))

    def take_activations(self) -> Activations | None:
        """Return, once, the cached activations for `full_batch`; None if there are none."""
        cached, self.activations = self.activations, None
        return None if cached is None else cached.joined(self._all_images())

    def _all_images(self) -> Tensor:
        return self._observations.flatten(0, 1).permute(0, 3, 1, 2)

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
        for batch in self.minibatches(batch_size):
            yield RolloutBufferSamples(
                # In SB3's layout, at which somebody's extractor may look.
                torch.empty(batch.images.shape, dtype=torch.uint8, device=self.device).copy_(
                    batch.images
                ),
                batch.actions.float().unsqueeze(-1),
                batch.old_values,
                batch.old_log_probs,
                batch.advantages,
                batch.returns,
            )
