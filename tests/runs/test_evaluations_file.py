"""evaluations.npz: what NumPy would allocate because the file says so is not allocated."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs.evaluations import MAX_BYTES, read_evaluations

COLUMNS = {
    "timesteps": [8, 16], "results": [[1.0, 2.0], [3.0, 4.0]], "ep_lengths": [[5, 6], [7, 8]],
}  # fmt: skip


def write(path, **changes):
    np.savez(path, **{name: np.array(value) for name, value in (COLUMNS | changes).items()})


def test_rows_come_back(tmp_path):
    path = tmp_path / "evaluations.npz"
    assert read_evaluations(path) == []
    write(path)
    assert read_evaluations(path) == [(8, [1.0, 2.0], [5, 6]), (16, [3.0, 4.0], [7, 8])]


def claim(path, shape):
    """Write an array of zero bytes that claims a shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    write(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"results.npy": header.getvalue()}).items():
            archive.writestr(name, content)


@pytest.mark.parametrize("shape", [(2, 10**12), (10**18,), (2, 2)])
def test_claimed_sizes_are_not_believed(tmp_path, shape):
    path = tmp_path / "evaluations.npz"
    claim(path, shape)
    tracemalloc.start()
    try:
        with pytest.warns(UserWarning, match="evaluations.npz is damaged.*does not hold what it"):
            assert read_evaluations(path) == []
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "changes",
    [{"results": [["a", "b"], ["c", "d"]]}, {"results": [[1.0, np.nan], [1.0, 1.0]]},
     {"timesteps": [1, 2, 3]}, {"timesteps": 5}, {"results": [None, {}]}],
)  # fmt: skip
def test_what_is_no_evaluation_is_begun_anew(tmp_path, changes):
    path = tmp_path / "evaluations.npz"
    write(path, **changes)
    with pytest.warns(UserWarning, match="evaluations.npz is damaged and begun anew"):
        assert read_evaluations(path) == []


def test_a_file_of_another_kind_or_size_is_refused(tmp_path):
    path = tmp_path / "evaluations.npz"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="too large"):
        read_evaluations(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="it is a directory"):
        read_evaluations(path)
