"""The benchmark of large sweeps: what it multiplies and what it computes."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.benchmarks import sweep as benchmark
from rl_coordconv.benchmarks.sweep import SweepBenchmarkConfig, Timings, growth, multiply
from rl_coordconv.cli.main import main
from rl_coordconv.runs import RunDirectory
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig


def test_copies_are_the_runs_of_other_seeds(tmp_path):
    described = SweepConfig.build(
        {"games": ("Aim",), "agents": ("ppo-aim",), "extractors": ("cnn", "placebo"), "seeds": 1},
        "the test",
    )
    sweep = SweepDirectory(tmp_path)
    sweep.prepare(described)
    for run in described.runs():
        directory = sweep.run(run)
        (directory.path / "monitor.csv").write_text(f"of {run.extractor}")
    multiply(tmp_path, 3)
    kept = SweepConfig.load(sweep.config_file)
    assert kept == described.model_copy(update={"seeds": 3})
    found = [RunDirectory(path) for path in sweep.runs_directory.iterdir()]
    assert sorted(one.path.name for one in found) == sorted(run.name for run in kept.runs())
    for one in found:
        assert one.config().name == one.path.name
        assert (one.path / "monitor.csv").read_text() == f"of {one.config().extractor}"


def test_what_a_run_adds_is_told_for_both_halves():
    seconds = {10: 2.0, 20: 2.5, 40: 4.5}
    timings = [Timings(runs, {"compare": value}) for runs, value in seconds.items()]
    assert growth(timings, "compare") == pytest.approx((50.0, 100.0))


def test_a_command_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(InputError, match="compare .*ended with 2.*not-there"):
        benchmark._seconds(("compare", str(tmp_path / "not-there")))


@pytest.mark.parametrize("runs", [0, 13, 20_000])
def test_numbers_of_runs_that_cannot_be_halved_twice_are_refused(runs):
    with pytest.raises(InputError, match=f"--runs .*{runs:,}|--runs {runs}"):
        benchmark.main(SweepBenchmarkConfig(runs=runs))


@pytest.mark.slow
def test_it_runs(capsys):
    assert main(["benchmark", "sweep", "--runs", "12", "--rounds", "1"]) == 0
    out = capsys.readouterr().out
    for text in ("12 runs, s", "sweep status", "nothing left to do", "compare"):
        assert text in out
