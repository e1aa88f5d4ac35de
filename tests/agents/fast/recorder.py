"""CUDA graphs' rules on the CPU: what was recorded is done again on the same memory, and no more.

A recording holds the operations that reached torch's dispatcher with the very tensors they touched.
A replay runs those, so that whatever Python computed while it was recorded is baked in;
memory that is replaced is read no more; and what would wait for a GPU, or draw the same random
numbers at every replay, is refused.
"""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

aten = torch.ops.aten
WAITS = {
    *(aten._local_scalar_dense, aten.nonzero, aten.equal, aten.is_nonzero, aten.masked_select),
    *(aten.unique_dim, aten._unique2, aten.item),
}
RANDOM = {
    *(aten.exponential_, aten.bernoulli_, aten.bernoulli, aten.native_dropout, aten.multinomial),
    *(aten.normal_, aten.uniform_, aten.random_, aten.randperm, aten.rand, aten.randn),
}


class RefusedError(RuntimeError):
    """An operation that a CUDA graph cannot hold."""


class Recording(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        packet = function.overloadpacket
        if packet in WAITS:
            raise RefusedError(f"{packet} would wait for the GPU")
        if packet in RANDOM:
            raise RefusedError(f"{packet} would draw the same numbers at every replay")
        outcome = function(*args, **kwargs)
        self.calls.append((function, args, kwargs, outcome))
        return outcome

    @torch.no_grad()
    def replay(self):
        for function, args, kwargs, outcome in self.calls:
            again = function(*args, **kwargs)
            for place, value in zip(tensors(outcome), tensors(again), strict=True):
                # In place and views: it is there already.
                if place.data_ptr() != value.data_ptr():
                    place.copy_(value)


def tensors(tree):
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, torch.Tensor)]


def capture(function):
    """Record as `graphs.capture_on` does: after warm-ups, whose effects must not matter."""
    for _ in range(2):
        function()
    recording = Recording()
    with recording:
        outputs = function()
    # Between recordings and replays the memory of the outputs holds nothing that may be used.
    tree_map(lambda one: one.fill_(77) if isinstance(one, torch.Tensor) else one,
             [one.detach() for one in tensors(outputs) if one.is_floating_point()])  # fmt: skip
    return recording.replay, outputs
