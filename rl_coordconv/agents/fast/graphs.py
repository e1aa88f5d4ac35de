"""Functions of tensors recorded once and replayed as one CUDA graph.

A GPU finishes NatureCNN's kernels faster than Python can start them; a graph starts all of them at
once. Everything in it has its place in memory: inputs are copied into place, outputs are found in
theirs. Nothing random may happen inside: the numbers would be the same at every replay.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor, nn

Outputs = tuple[Tensor, ...]
Replay = Callable[[], object]
Capture = Callable[[Callable[[], Outputs]], tuple[Replay, Outputs]]

_WARM_UPS = 3


def capture_cuda(function: Callable[[], Outputs]) -> tuple[Replay, Outputs]:
    """Record a function on the current CUDA device.

    Returns:
        What replays it, and the outputs that a replay overwrites.

    Source:
        torch's notes on CUDA graphs: warm up on a side stream, then record.
    """
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


def capture_nothing(function: Callable[[], Outputs]) -> tuple[Replay, Outputs]:
    """Stand in for `capture_cuda` where there is no GPU: a replay computes the function again."""
    places = tuple(part.clone() for part in function())

    def replay() -> None:
        for place, value in zip(places, function(), strict=True):
            place.copy_(value)

    return replay, places


class StaticFunction:
    """A function whose inputs and outputs keep their places.

    Args:
        function: takes tensors and returns some; reads all else from where it always lies.
        inputs: examples, of the shapes and types it will be called with.
        capture: records it.
    """

    def __init__(
        self, function: Callable[..., Outputs], inputs: Sequence[Tensor], capture: Capture
    ) -> None:
        self._places = tuple(part.clone() for part in inputs)
        self._replay, self._outputs = capture(lambda: function(*self._places))

    def __call__(self, *inputs: Tensor) -> Outputs:
        """Compute; the outputs are valid until the next call."""
        for place, value in zip(self._places, inputs, strict=True):
            place.copy_(value, non_blocking=True)
        self._replay()
        return self._outputs


class Graphs:
    """The recorded functions of one model.

    Args:
        module: whose parameters the functions read. Where one has been moved in memory, everything
            is recorded anew.
        device: decides between `capture_cuda` and `capture_nothing`.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self._module = module
        self._capture: Capture = capture_cuda if device.type == "cuda" else capture_nothing
        self._functions: dict[Hashable, StaticFunction] = {}
        self._addresses: tuple[int, ...] = ()

    def call(self, name: str, function: Callable[..., Outputs], *inputs: Tensor) -> Outputs:
        """Replay a function, recording it first for shapes not seen before.

        Args:
            name: of the function, and of all that is fixed in it.
            function: as for `StaticFunction`.
            *inputs: as for `StaticFunction`.
        """
        addresses = tuple(parameter.data_ptr() for parameter in self._module.parameters())
        if addresses != self._addresses:
            self._functions.clear()
            self._addresses = addresses
        key = (name, *((tuple(part.shape), part.dtype) for part in inputs))
        if key not in self._functions:
            self._functions[key] = StaticFunction(function, inputs, self._capture)
        return self._functions[key](*inputs)
