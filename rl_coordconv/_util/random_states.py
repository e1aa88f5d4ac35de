"""The global random generators, kept as they are while something else draws from them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def kept_random_states() -> Iterator[None]:
    """Give every global generator the state back that it had."""
    state, numbers, python = torch.get_rng_state(), np.random.get_state(), random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        torch.set_rng_state(state)
        np.random.set_state(numbers)
        random.setstate(python)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
