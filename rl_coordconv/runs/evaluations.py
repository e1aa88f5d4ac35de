"""``evaluations.npz``: the evaluations during a training, as the RL Zoo keeps them."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from pathlib import Path

import numpy as np

from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_bytes

MAX_BYTES = 2**26
"""Of the file, and of each array that is packed in it."""
_COLUMNS = ("timesteps", "results", "ep_lengths")

EvaluationRow = tuple[int, list[float], list[int]]
"""Agent steps, returns and lengths."""

# What zipfile and NumPy answer to a file that was cut, flipped or made up.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, ArithmeticError, MemoryError,
           NotImplementedError, RuntimeError, zipfile.BadZipFile)  # fmt: skip


def read_evaluations(path: Path) -> list[EvaluationRow]:
    """Read an ``evaluations.npz``: of each row the agent steps, the returns and the lengths.

    One that is missing has none; of one that is damaged nothing is left, which is warned of.

    Raises:
        InputError: it is no regular file, or too large.
    """
    if not is_there(path):
        return []
    content = read_bytes(path, MAX_BYTES)
    try:
        return _rows_in(content)
    except _DAMAGE as error:
        warnings.warn(f"{path} is damaged and begun anew: {error}", stacklevel=2)
        return []


def _rows_in(content: bytes) -> list[EvaluationRow]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        columns = [_column(archive, f"{name}.npy").tolist() for name in _COLUMNS]
    rows = [
        (int(step), [float(one) for one in returns], [int(one) for one in lengths])
        for step, returns, lengths in zip(*columns, strict=True)
    ]
    if not all(returns and all(map(math.isfinite, returns)) for _, returns, _ in rows):
        raise ValueError("a row without finite returns")
    return rows


def _column(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array of as many bytes as it claims, and of no more than are allowed."""
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise ValueError(f"{name} is too large")
    with archive.open(name) as member:
        file = io.BytesIO(member.read(MAX_BYTES + 1))
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} has a format that is not known here")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    data = file.read()
    if dtype.kind not in "iuf" or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{name} does not hold what it claims: {shape} of {dtype}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
