"""The benchmarks compare like with like and count right; how fast things are is not tested."""

import importlib.metadata

import numpy as np
import pytest
import torch

from rl_coordconv.benchmarks import env as env_benchmark
from rl_coordconv.benchmarks import layer as layer_benchmark
from rl_coordconv.benchmarks import timing
from rl_coordconv.benchmarks.env import EnvBenchmarkConfig
from rl_coordconv.benchmarks.layer import LayerBenchmarkConfig, build_subject, measure
from rl_coordconv.benchmarks.timing import alternate, ratio


def test_candidates_take_turns_and_ratios_are_of_the_same_round():
    order = []
    figures = {"a": iter([1.0, 4.0, 2.0]), "b": iter([2.0, 2.0, 5.0])}

    def candidate(name):
        order.append(name)
        return next(figures[name])

    measured = alternate({"a": lambda: candidate("a"), "b": lambda: candidate("b")}, rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert measured == {"a": [1.0, 4.0, 2.0], "b": [2.0, 2.0, 5.0]}
    result = ratio(measured["b"], measured["a"])
    assert (result.median, result.minimum, result.maximum) == (2.0, 0.5, 2.5)


@pytest.mark.parametrize("subject", ["conv1", "conv2", "conv3", "network"])
def test_ours_and_the_concatenating_network_are_the_same_function(subject):
    ours, peer = build_subject(subject, "ours"), build_subject(subject, "concatenating")
    peer.load_state_dict(dict(zip(peer.state_dict(), ours.state_dict().values(), strict=True)))
    channels, side = {"conv2": (32, 20), "conv3": (64, 9)}.get(subject, (4, 84))
    image = torch.rand(2, channels, side, side)
    assert torch.allclose(ours(image), peer(image), atol=1e-5)


def test_the_plain_network_is_sb3s():
    count = sum(p.numel() for p in build_subject("network", "plain").parameters())
    assert count == 1_684_128


def test_every_subject_batch_and_mode_has_a_row():
    config = LayerBenchmarkConfig(batch_sizes=(2,), rounds=2, seconds=0.001, dtype="bfloat16")
    rows = list(measure(config))
    assert [(row.subject, row.mode) for row in rows] == [
        (subject, mode)
        for subject in ("conv1", "conv2", "conv3", "network")
        for mode in ("forward", "forward+backward")
    ]


def test_a_row_divides_each_candidates_time_by_plains(monkeypatch):
    seconds = {"plain": 2e-3, "concatenating": 3e-3, "ours": 1e-3}
    monkeypatch.setattr(layer_benchmark, "build_subject", lambda subject, kind: kind)
    monkeypatch.setattr(layer_benchmark, "_step", lambda kind, image, mode, config: kind)
    monkeypatch.setattr(layer_benchmark, "calls_for", lambda kind, budget: 7)
    monkeypatch.setattr(layer_benchmark, "seconds_per_call",
                        lambda kind, calls: seconds[kind] * calls / 7)  # fmt: skip
    row = next(measure(LayerBenchmarkConfig(batch_sizes=(2,), rounds=3)))
    assert row.plain_ms == pytest.approx(2.0)
    assert row.concatenating.median == pytest.approx(1.5)
    assert row.ours.median == pytest.approx(0.5)


class Clock:
    """Moves on by what is called."""

    def __init__(self, monkeypatch):
        self.now, self.calls = 0.0, []
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)

    def work(self, *arguments):
        self.calls.append(arguments)
        self.now += 0.25


def test_time_is_divided_by_the_calls_that_took_it(monkeypatch):
    clock = Clock(monkeypatch)
    assert timing.seconds_per_call(clock.work, 8) == 0.25
    assert len(clock.calls) == 8
    assert timing.calls_for(clock.work, 2.0) == 8
    assert timing.calls_for(clock.work, 0.01) == 1


def test_an_environments_speed_is_of_all_its_copies(monkeypatch):
    clock, config = Clock(monkeypatch), EnvBenchmarkConfig(n_envs=2, steps=4)
    speed = env_benchmark._speed(clock.work, config, 3, np.random.default_rng(0))
    assert speed == 4 * 2 / (4 * 0.25)
    actions = np.array([action for (action,) in clock.calls])
    assert actions.shape == (4, 2)
    assert set(actions.ravel()) <= {0, 1, 2}


def test_the_layer_table_names_machine_and_versions(capsys):
    threads = torch.get_num_threads()
    try:
        layer_benchmark.main(
            LayerBenchmarkConfig(batch_sizes=(1,), rounds=1, seconds=0.001, channels_last=True)
        )
    finally:
        torch.set_num_threads(threads)
    text = capsys.readouterr().out
    assert f"torch {importlib.metadata.version('torch')}" in text
    assert "channels last" in text
    assert "forward+backward" in text


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_the_env_table_has_all_four(capsys):
    pytest.importorskip("cv2")
    env_benchmark.main(EnvBenchmarkConfig(n_envs=2, steps=4, rounds=1))
    text = capsys.readouterr().out
    for name in (env_benchmark.RAW, env_benchmark.OURS, "DummyVecEnv", "SubprocVecEnv"):
        assert name in text
