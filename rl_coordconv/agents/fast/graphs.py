"""CUDA graphs: functions of tensors captured once and replayed as one.

A GPU finishes NatureCNN's kernels faster than Python can start them; a graph starts all of them at
once. Everything in it has a fixed address: inputs are copied into static buffers, outputs are
found in theirs. What Python computed during the capture is baked in, so whoever calls names all
of that. Nothing random may happen inside: the numbers would be the same at every replay.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Outputs = tuple[Tensor, ...]
Replay = Callable[[], object]
Capture = Callable[[Callable[[], Outputs]], tuple[Replay, Outputs]]
"""Captures a function; returns what replays it, and the outputs that a replay overwrites."""

_WARM_UPS = 3


def capture_on(device: torch.device) -> Capture:
    """Return what captures functions on a CUDA device.

    Source:
        torch's notes on CUDA graphs: warm up on a side stream, then capture.
    """

    def capture(function: Callable[[], Outputs]) -> tuple[Replay, Outputs]:
        # Streams and graphs belong to the current device, which need not be the model's.
        with torch.cuda.device(device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(_WARM_UPS):
                    function()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                outputs = function()
        return graph.replay, outputs

    return capture


@dataclass(frozen=True)
class _CapturedGraph:
    baked: Any
    inputs: Outputs
    replay: Replay
    outputs: Outputs


class Graphs:
    """The CUDA graphs of one model.

    Args:
        capture: captures a function.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._captured: dict[Hashable, _CapturedGraph] = {}

    def call(
        self, name: str, function: Callable[..., Outputs], inputs: Sequence[Tensor], baked: Any
    ) -> Outputs:
        """Replay a function, capturing it first where that has not been done.

        Args:
            name: of the function.
            function: takes tensors and returns some. All else that it reads lies in tensors that
                stay where they are, or is named in ``baked``.
            inputs: copied into the static buffers, which keep the shapes of the first call.
            baked: the constants baked into the graph, compared by equality: numbers, flags, the
                parts of a network. Where one has changed, the function is captured anew.

        Returns:
            Tensors that are valid until the next call of the same function.
        """
        key = (name, *((tuple(part.shape), part.dtype) for part in inputs))
        graph = self._captured.get(key)
        if graph is None or graph.baked != baked:
            self._captured.pop(key, None)  # its memory goes first
            graph = self._captured[key] = self._capture_with(function, inputs, baked)
        for buffer, value in zip(graph.inputs, inputs, strict=True):
            buffer.copy_(value, non_blocking=True)
        graph.replay()
        return graph.outputs

    def _capture_with(
        self, function: Callable[..., Outputs], inputs: Sequence[Tensor], baked: Any
    ) -> _CapturedGraph:
        # In the same layout: a function may depend on it.
        static_buffers = tuple(
            part.detach().clone(memory_format=torch.preserve_format) for part in inputs
        )
        replay, outputs = self._capture(lambda: function(*static_buffers))
        return _CapturedGraph(baked, static_buffers, replay, outputs)
