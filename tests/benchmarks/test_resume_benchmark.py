"""The benchmark of interrupted runs: one is really interrupted, and its copies are taken up."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.benchmarks import resume as benchmark
from rl_coordconv.benchmarks.resume import ResumeBenchmarkConfig
from rl_coordconv.cli.main import main
from rl_coordconv.runs import RunDirectory
from rl_coordconv.runs.status import RunState


@pytest.mark.parametrize("runs", [0, 6, 10**9])
def test_numbers_of_runs_that_cannot_be_halved_twice_are_refused(runs):
    with pytest.raises(InputError, match=f"--runs {runs}|--runs .*{runs:,}"):
        benchmark.main(ResumeBenchmarkConfig(runs=runs))


@pytest.mark.slow
def test_the_run_that_is_copied_was_interrupted(tmp_path):
    left = benchmark.interrupt_one(tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    status = RunDirectory(path).status()
    assert status.state is RunState.INTERRUPTED
    assert status.num_timesteps == status.total_timesteps - left
    assert 0 < left < status.total_timesteps


@pytest.mark.slow
def test_it_runs(capsys):
    assert main(["benchmark", "resume", "--runs", "4"]) == 0
    out = capsys.readouterr().out
    assert "interrupted runs" in out
    assert "agent steps that each had left" in out
