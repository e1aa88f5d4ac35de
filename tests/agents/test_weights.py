"""policy.safetensors: a header is believed only as far as the file bears it out."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.weights import check_shapes, count_weights, read_shapes

F32 = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def write(path, header, data=bytes(24), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + text + data)


def test_shapes_are_those_that_were_saved(tmp_path):
    path = tmp_path / "policy.safetensors"
    save_file({"w": np.zeros((3, 4), np.float32), "b": np.zeros(4)}, path, metadata={"a": "b"})
    assert read_shapes(path) == {"w": (3, 4), "b": (4,)}
    assert count_weights(path) == 16


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"", 2**63), (b"", 2**64 - 1), (b"{}", 3), (b"", 0), (b"{", None), (b"[]", None),
        (b"null", None), (b"[" * 100_000, None), (b"\xff", None),
        ({"w": F32 | {"shape": [2, 4]}}, None), ({"w": F32 | {"shape": [2**40, 2**40]}}, None),
        ({"w": F32 | {"shape": [-2, -3]}}, None), ({"w": F32 | {"shape": "x"}}, None),
        ({"w": F32 | {"shape": [2.0, 3]}}, None), ({"w": F32 | {"shape": [True] * 17}}, None),
        ({"w": F32 | {"data_offsets": [0, 2**40]}}, None), ({"w": F32 | {"dtype": "X"}}, None),
        ({"w": F32 | {"data_offsets": [24, 0]}}, None), ({"w": 5}, None), ({"w": {}}, None),
    ],
)  # fmt: skip
def test_a_header_that_its_file_does_not_bear_out_is_named(tmp_path, header, length):
    path = tmp_path / "policy.safetensors"
    write(path, header, b"" if isinstance(header, bytes) else bytes(24), length)
    with pytest.raises(InputError, match="policy.safetensors"):
        read_shapes(path)


@pytest.mark.parametrize("size", range(0, 9))
def test_a_file_shorter_than_a_header_is_named(tmp_path, size):
    path = tmp_path / "policy.safetensors"
    path.write_bytes(b"\xff" * size)
    with pytest.raises(InputError, match="policy.safetensors is damaged"):
        read_shapes(path)


def test_the_first_three_differences_are_named():
    there = {name: (1,) for name in "abcde"}
    with pytest.raises(InputError, match=r"no: a is \(1,\) there and missing here; .*; and 2 more"):
        check_shapes(there, {}, "no")
    check_shapes(there, dict(there), "no")
