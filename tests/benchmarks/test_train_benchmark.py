"""The training benchmark trains what it says, in processes of its own, and counts right."""

import pytest
import torch
import yaml

from rl_coordconv.agents.presets import load_agent_preset
from rl_coordconv.benchmarks import train as train_benchmark
from rl_coordconv.benchmarks.roofline import Roofline, count_flop
from rl_coordconv.benchmarks.train import TrainBenchmarkConfig
from rl_coordconv.benchmarks.train_worker import Candidate
from rl_coordconv.errors import InputError
from rl_coordconv.presets import preset_path

# Multiply-adds of NatureCNN's layers for one image, and of the heads for six actions.
CONV1, CONV2, CONV3 = 20 * 20 * 32 * 4 * 64, 9 * 9 * 64 * 32 * 16, 7 * 7 * 64 * 64 * 9
LINEAR, HEADS = 3136 * 512, 512 * 7


def test_arithmetic_is_counted_as_by_hand():
    forward = 2 * (CONV1 + CONV2 + CONV3 + LINEAR + HEADS)
    # The backward pass takes twice the forward's, but images have no gradient.
    both = 3 * forward - 2 * CONV1
    assert count_flop(load_agent_preset("a2c"), "cnn", 6) == pytest.approx(forward + both)
    assert count_flop(load_agent_preset("ppo"), "cnn", 6) == pytest.approx(forward + 4 * both)
    placebo, plain = (count_flop(load_agent_preset("a2c"), name, 6) for name in ("placebo", "cnn"))
    assert placebo > plain


def test_the_roof_is_emulation_and_arithmetic_one_after_the_other():
    assert Roofline(1000.0, 2e6, 1e9).steps_per_second == pytest.approx(1 / (1e-3 + 2e-3))


def test_the_tables_show_every_candidate(tmp_path, capsys, monkeypatch):
    pytest.importorskip("cv2")
    monkeypatch.setattr(train_benchmark, "measure_emulator", lambda *arguments: 1000.0)
    data = yaml.safe_load(preset_path("agents", "agent", "a2c").read_text())
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(data | {"n_envs": 2}))
    config = TrainBenchmarkConfig(agent=str(preset), extractors=("cnn", "coordconv"),
                                  precisions=("fp32",), steps=20, rounds=2, threads=1,
                                  cuda_graphs=True)  # fmt: skip
    threads = torch.get_num_threads()
    try:
        train_benchmark.main(config)
    finally:
        torch.set_num_threads(threads)
    text = capsys.readouterr().out
    for name in ("SB3, cnn", "ours, cnn, fp32", "ours, coordconv, fp32"):
        assert text.count(name) == 2  # speed, and where the time goes
    assert "SB3, coordconv" not in text
    assert "% of " in text


def test_a_candidate_that_dies_is_named():
    candidate = Candidate("NoSuchGame", load_agent_preset("a2c"), "cnn", "fp32", 1)
    with pytest.raises(InputError, match="training of 'ours, cnn, fp32' ended early"):
        train_benchmark.measure(TrainBenchmarkConfig(rounds=1), [candidate])
