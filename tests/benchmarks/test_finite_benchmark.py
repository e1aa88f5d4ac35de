"""The benchmark of the check for NaN and infinity: what it times, and what it refuses."""

import pytest

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.benchmarks import finite as benchmark
from rl_coordconv.benchmarks.finite import FiniteBenchmarkConfig
from rl_coordconv.cli.main import main


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"agents": ()}, InputError),
        ({"agents": ("a2c", "a2c")}, InputError),
        ({"agents": ("a3c",)}, UnknownNameError),
        ({"game": "Pongg"}, UnknownNameError),
        ({"rounds": 0}, InputError),
        ({"threads": 0}, InputError),
    ],
)
def test_what_cannot_be_measured_is_refused(changes, error):
    with pytest.raises(error):
        benchmark.main(FiniteBenchmarkConfig(**changes))


def test_a_row_for_each_agent(capsys, monkeypatch):
    looked = []
    monkeypatch.setattr(benchmark, "check_weights", lambda model: looked.append(model))
    monkeypatch.setattr(benchmark, "_SECONDS", 1e-3)
    command = ["benchmark", "finite", "--agents", "a2c", "--rounds", "1", "--threads", "1"]
    assert main(command) == 0
    rows = [line.split("│") for line in capsys.readouterr().out.splitlines() if "a2c" in line]
    (row,) = rows
    training, checks, share = (float(cell) for cell in row[2:5])
    assert training > checks
    assert share == pytest.approx(100 * checks / training, abs=0.5)
    assert looked
    assert len({id(model) for model in looked}) == 1
