"""evaluation.json and environment.json."""

import json

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import Evaluation
from rl_coordconv.runs.precision import recorded_precision

RESULT = Evaluation(
    game="Aim", num_timesteps=64, protocol=None, deterministic=False, seed=5, returns=[1.0, 2.5],
    lengths=[3, 4], mean=1.75, median=1.75, std=0.75, human_normalized_mean=None,
    elsewhere={"left": [0.0]},
)  # fmt: skip


def test_an_evaluation_comes_back(tmp_path):
    path = tmp_path / "evaluation.json"
    assert Evaluation.load(path) is None
    RESULT.save(path)
    assert Evaluation.load(path) == RESULT
    old = {key: value for key, value in RESULT.as_dict().items() if key != "elsewhere"}
    path.write_text(json.dumps(old))
    assert Evaluation.load(path).elsewhere == {}


@pytest.mark.parametrize("change", [{"returns": ["a"]}, {"returns": None}, {"mean": None},
                                    {"returns": [float("nan")]}, {"extra": 1}])  # fmt: skip
def test_an_evaluation_with_a_wrong_value_is_named(tmp_path, change):
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(RESULT.as_dict() | change))
    with pytest.raises(
        InputError, match=rf"(?s)evaluation.json is not valid:.*{next(iter(change))}"
    ):
        Evaluation.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 99, b"[]", b"null", b"\xff"])
@pytest.mark.parametrize("read", [Evaluation.load, recorded_precision])
def test_a_damaged_file_is_one_error_that_names_it(tmp_path, read, content):
    path = tmp_path / "that.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="that.json is"):
        read(path)
