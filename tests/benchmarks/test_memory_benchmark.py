"""The benchmark of a training's memory: what it makes of its samples, and that it runs."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.benchmarks import memory as benchmark
from rl_coordconv.benchmarks.memory import MemoryBenchmarkConfig, Part, Sample, parts
from rl_coordconv.cli.main import main


def test_each_tenth_tells_the_most_that_was_seen_in_it():
    samples = [Sample(0, 5, 3), Sample(99, 9, 4), Sample(100, 7, 6), Sample(150, 8, 5),
               Sample(999, 1, 1), Sample(1000, 50, 50)]  # fmt: skip
    assert parts(samples, 1000) == [Part(100, 9, 4), Part(200, 8, 6), Part(1000, 50, 50)]


def test_a_training_that_fails_is_no_measurement():
    with pytest.raises(InputError, match=r"training ended with 2.*Pongg"):
        benchmark.main(MemoryBenchmarkConfig(game="Pongg", steps=100))


@pytest.mark.parametrize("steps", [0, 2_000_000_000])
def test_steps_out_of_range_are_refused(steps):
    with pytest.raises(InputError, match="--steps"):
        benchmark.main(MemoryBenchmarkConfig(steps=steps))


@pytest.mark.slow
def test_it_runs(capsys):
    command = "benchmark memory --game Aim --agent ppo-aim --steps 20000 --threads 1"
    assert main(command.split()) == 0
    out = capsys.readouterr().out
    assert "until step" in out
    assert "resident memory" in out
