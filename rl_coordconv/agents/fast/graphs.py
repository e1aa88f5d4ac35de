"""Functions of tensors recorded once and replayed as one CUDA graph.

A GPU finishes NatureCNN's kernels faster than Python can start them; a graph starts all of them at
once. Everything in it has its place in memory: inputs are copied into static buffers, outputs are
found in theirs. What Python decided while it was recorded is decided for good, so whoever calls
names all of that. Nothing random may happen inside: the numbers would be the same at every replay.
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
"""Records a function; returns what replays it, and the outputs that a replay overwrites."""

_WARM_UPS = 3


def capture_on(device: torch.device) -> Capture:
    """Return what records functions on a CUDA device.

    Source:
        torch's notes on CUDA graphs: warm up on a side stream, then record.
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
class _Recording:
    baked: Any
    inputs: Outputs
    replay: Replay
    outputs: Outputs


class Graphs:
    """The recorded functions of one model.

    Args:
        capture: records a function.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._recordings: dict[Hashable, _Recording] = {}

    def call(
        self, name: str, function: Callable[..., Outputs], inputs: Sequence[Tensor], baked: Any
    ) -> Outputs:
        """Replay a function, recording it first where that has not been done.

        Args:
            name: of the function.
            function: takes tensors and returns some. All else that it reads lies in tensors that
                stay where they are, or is named in ``baked``.
            inputs: copied into the static buffers, which keep the shapes of the first call.
            baked: what the recording holds for good, compared by equality: numbers, flags, the
                parts of a network. Where it has changed, the function is recorded anew.

        Returns:
            Tensors that are valid until the next call of the same function.
        """
        key = (name, *((tuple(part.shape), part.dtype) for part in inputs))
        recording = self._recordings.get(key)
        if recording is None or recording.baked != baked:
            self._recordings.pop(key, None)  # its memory goes first
            recording = self._recordings[key] = self._record(function, inputs, baked)
        for place, value in zip(recording.inputs, inputs, strict=True):
            place.copy_(value, non_blocking=True)
        recording.replay()
        return recording.outputs

    def _record(
        self, function: Callable[..., Outputs], inputs: Sequence[Tensor], baked: Any
    ) -> _Recording:
        # In the same layout: a function may depend on it.
        places = tuple(part.detach().clone(memory_format=torch.preserve_format) for part in inputs)
        replay, outputs = self._capture(lambda: function(*places))
        return _Recording(baked, places, replay, outputs)
