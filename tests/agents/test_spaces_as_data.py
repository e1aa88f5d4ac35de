"""Spaces as plain data and back."""

import json

import numpy as np
import pytest
from gymnasium import spaces

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.spaces_as_data import build_space, describe_space

VECTOR = spaces.Box(np.array([-1, -np.inf], np.float32), np.array([1, np.inf], np.float32))
SPACES = [
    spaces.Box(0, 255, (4, 84, 84), np.uint8),
    spaces.Box(-1.0, 1.0, (2,), np.float32),
    VECTOR,
    spaces.Discrete(18),
    spaces.MultiDiscrete([3, 2, 5]),
    spaces.MultiBinary(4),
    spaces.Dict({"image": spaces.Box(0, 255, (3, 36, 36), np.uint8), "speed": VECTOR}),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_survives_json(space):
    got = build_space(json.loads(json.dumps(describe_space(space))))
    assert got == space
    assert got.dtype == space.dtype


@pytest.mark.parametrize("space", [
    spaces.Discrete(3, start=1), spaces.Text(5), spaces.Tuple([spaces.Discrete(2)]),
    spaces.MultiDiscrete([[1, 2], [3, 4]]), spaces.MultiBinary([2, 2]),
    spaces.Dict({"a": spaces.Text(3)}),
], ids=str)  # fmt: skip
def test_other_spaces_are_refused_by_name(space):
    with pytest.raises(InputError, match="cannot be saved without pickle"):
        describe_space(space)


@pytest.mark.parametrize("data", [
    None, [], {}, {"discrete": 0}, {"discrete": 2.0}, {"discrete": True}, {"discrete": 2**40},
    {"multi_discrete": [3, -1]}, {"multi_discrete": 3}, {"dict": [1]},
    {"shape": [2], "dtype": "uint8", "low": 0}, {"shape": [2], "dtype": "object", "low": 0,
                                                   "high": 1},
    {"shape": [20_000, 20_000], "dtype": "uint8", "low": 0, "high": 255},
    {"shape": [2], "dtype": "uint8", "low": [0, 0, 0], "high": 255},
    {"shape": [2], "dtype": "no", "low": 0, "high": 255},
], ids=repr)  # fmt: skip
def test_data_that_describes_none_is_refused(data):
    with pytest.raises(InputError, match="describes no space"):
        build_space(data)
