"""A cluster of stand-ins, and the command of a sweep on it."""

import pytest
from fake_slurm import STEPS, Cluster

from rl_coordconv.cli import main


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """A cluster that takes jobs, and lets them wait."""
    yield from _cluster(tmp_path, monkeypatch, begins=False, max_array_size=4)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster that carries jobs out."""
    yield from _cluster(tmp_path, monkeypatch)


def _cluster(tmp_path, monkeypatch, **options):
    cluster = Cluster(tmp_path / "cluster", **options)
    monkeypatch.setenv("PATH", cluster.path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with cluster:
        yield cluster


@pytest.fixture
def sweep(tmp_path, small_ppo, capsys):
    """Give the command of a sweep and return its exit code and what it said."""

    def give(*flags, seeds=2, steps=STEPS, device="cpu"):
        code = main(["sweep", "--games", "Aim", "--agents", small_ppo, "--extractors", "cnn",
                     "--seeds", str(seeds), "--total-timesteps", str(steps), "--precision", "fp32",
                     "--eval-episodes", "0", "--device", device, "--output", str(tmp_path / "s"),
                     "--backend", "slurm", *flags])  # fmt: skip
        out, error = capsys.readouterr()
        return code, out + error

    return give
