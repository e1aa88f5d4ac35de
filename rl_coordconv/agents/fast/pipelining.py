"""Collecting a rollout in groups of environments: one steps while the policy acts for another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl_coordconv.agents.fast.acting import PolicyOutput
from rl_coordconv.agents.fast.collecting import Collector
from rl_coordconv.agents.fast.uploads import ImageUpload


def may_pipeline(collector: Collector) -> bool:
    """Tell whether a rollout can be collected group by group.

    Only where nobody can notice: the environment is an `AlternatingVecEnv` itself (what wraps it or
    descends from it would be passed by), the callbacks are read-only (they run while the next
    step is on its way), and the network draws no random numbers.
    """
    env: Any = collector.env
    return (
        vars(type(env)).get("may_step_groups") is True
        and not {"step", "step_async", "step_wait"} & set(vars(env))
        and len(env.groups) > 1
        and collector.has_read_only_callbacks
        and collector.actor.is_pure
    )


class PipelinedCollection:
    """Collects one rollout, the groups in turn.

    While one group is emulated, the next one's actions are computed and the step before is stored.
    A callback's `on_step` then runs while the next step is already on its way; where it ends the
    training, that step is played and dropped.

    Args:
        collector: for which `may_pipeline` is true.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector, self._model, self._buffer = collector, collector.model, collector.buffer
        env: Any = collector.env
        self._env, self._groups, self._slices = env, env.groups, env.slices
        self._uploads = [ImageUpload(self._model.device) for _ in self._groups]
        self._observations = [np.asarray(self._model._last_obs)[part] for part in self._slices]
        self._results: list[Any] = [None] * len(self._groups)
        self._in_flight = [False] * len(self._groups)
        self._outputs: dict[int, list[tuple[PolicyOutput, NDArray[np.int64], Tensor]]] = {}

    def collect(self, n_steps: int) -> bool:
        """Play; return False if the callback ended the training."""
        try:
            with self._divided_threads():
                return self._collect(n_steps)
        finally:
            self._drain()

    def _collect(self, n_steps: int) -> bool:
        self._collector.locals["n_rollout_steps"] = n_steps
        for step in range(n_steps):
            noise = self._collector.actor.draw_noise()
            for index in range(len(self._groups)):
                self._receive(index)
                self._act(index, step, noise)
            if step > 0 and not self._finish(step - 1):
                return False
        return self._finish(n_steps - 1)

    def _act(self, index: int, step: int, noise: Tensor) -> None:
        """Compute a group's actions from its observations and send them."""
        part = self._slices[index]
        images = self._buffer.images(step)[part]
        seen = self._uploads[index].put(self._observations[index], images)
        output = self._collector.actor.act(images, seen, noise[part])
        actions = output.actions.cpu().numpy()
        self._outputs.setdefault(step, []).append((output, actions, seen))
        self._groups[index].step_async(actions)
        self._in_flight[index] = True

    def _receive(self, index: int) -> None:
        """Wait for a group's step, if it is in one."""
        if not self._in_flight[index]:
            return
        self._in_flight[index] = False
        result = self._groups[index].step_wait()
        self._observations[index] = result[0]
        self._results[index] = result

    def _finish(self, step: int) -> bool:
        """Join the groups' results of a step, and hand them on."""
        for index in range(len(self._groups)):
            if self._results[index] is None:
                self._receive(index)
        result = self._env.join(self._results)
        self._results = [None] * len(self._groups)
        outputs, actions, seen = zip(*self._outputs.pop(step), strict=True)
        output = PolicyOutput(*(torch.cat(parts) for parts in zip(*outputs, strict=True)))
        self._collector.locals["obs_tensor"] = torch.cat(seen)
        return self._collector.finish(step, output, np.concatenate(actions), result)

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
        if self._buffer.device.type == "cpu":
            torch.set_num_threads(max(1, threads // 2))
        try:
            yield
        finally:
            torch.set_num_threads(threads)
