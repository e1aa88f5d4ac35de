"""The training benchmark trains what it says, in processes of its own, and counts right."""

import pytest
import torch
import yaml

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.presets import preset_path
from rl_coordconv.agents.presets import load_agent_preset
from rl_coordconv.benchmarks import train as train_benchmark
from rl_coordconv.benchmarks import train_worker
from rl_coordconv.benchmarks.roofline import Roofline, count_flop
from rl_coordconv.benchmarks.timing import open_console
from rl_coordconv.benchmarks.train import TrainBenchmarkConfig
from rl_coordconv.benchmarks.train_worker import Candidate
from rl_coordconv.envs import load_protocol

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


def test_the_tables_hold_speeds_ratios_and_milliseconds(capsys):
    preset = load_agent_preset("a2c")
    candidates = [
        Candidate("Pong", preset, extractor, precision, 1)
        for extractor, precision in (("cnn", None), ("cnn", "fp32"), ("coordconv", "fp32"))
    ]
    speeds = {
        "SB3, cnn": (100, 200),
        "ours, cnn, fp32": (300, 500),
        "ours, coordconv, fp32": (150, 250),
    }
    shares = {"emulation": 0.5, "inference": 0.25, "update": 0.2, "rest": 0.05}
    results = {name: [train_worker.Measurement(float(speed), shares, 512.0) for speed in both]
               for name, both in speeds.items()}  # fmt: skip
    console = open_console()
    console.print(train_benchmark._speed_table(candidates, results, {("cnn", "fp32"): 800.0}))
    console.print(train_benchmark._share_table(candidates[:1], results))
    lines = [[cell.strip() for cell in line.split("│")][1:-1]
             for line in capsys.readouterr().out.splitlines() if "│" in line]  # fmt: skip
    assert lines == [
        ["SB3, cnn", "150", "", "", "", "512"],
        ["ours, cnn, fp32", "400", "2.750 (2.500-3.000)", "", "50% of 800", "512"],
        ["ours, coordconv, fp32", "200", "1.375 (1.250-1.500)", "0.500 (0.500-0.500)", "", "512"],
        # Of 10 and 5 ms a step, the median of both rounds.
        ["SB3, cnn", "3,750", "1,875", "1,500", "375"],
    ]


def test_an_own_script_is_compared_with_the_same_training_by_the_command_line(capsys):
    config = TrainBenchmarkConfig(precisions=("fp32",), stock=False, own_script=True)
    candidates = list(train_benchmark._candidates(config, load_agent_preset("a2c"), 1))
    names = ["ours, cnn, fp32", "ours, cnn, fp32, own script",
             "ours, coordconv, fp32", "ours, coordconv, fp32, own script"]  # fmt: skip
    assert [one.name for one in candidates] == names
    speeds = zip(names, (400.0, 380.0, 200.0, 180.0), strict=True)
    results = {name: [train_worker.Measurement(speed, {}, 1.0)] for name, speed in speeds}
    open_console().print(train_benchmark._speed_table(candidates, results, {}))
    ratios = [line.split("│")[4].strip() for line in capsys.readouterr().out.splitlines()
              if "│" in line]  # fmt: skip
    assert ratios == ["", "0.950 (0.950-0.950)", "0.500 (0.500-0.500)", "0.900 (0.900-0.900)"]


def test_a_candidate_that_dies_is_named():
    candidate = Candidate("NoSuchGame", load_agent_preset("a2c"), "cnn", "fp32", 1)
    with pytest.raises(InputError, match="training of 'ours, cnn, fp32' ended early"):
        train_benchmark.measure(TrainBenchmarkConfig(rounds=1), [candidate])


@pytest.mark.parametrize(
    ("device", "n_envs", "sizes"), [("cpu", 16, None), ("cuda", 17, [9, 8]), ("cuda", 8, None)]
)
def test_ours_is_measured_in_the_environments_that_training_builds(device, n_envs, sizes):
    preset = load_agent_preset("a2c").model_copy(update={"n_envs": n_envs})
    candidate = Candidate("pong", preset, "cnn", "fp32", threads=2)
    env = train_worker._make_env(candidate, torch.device(device))
    groups = getattr(env, "groups", None)
    assert (None if groups is None else [group.num_envs for group in groups]) == sizes
    for group in groups or [env]:
        assert (group.game.name, group.protocol) == ("Pong", load_protocol("deepmind"))
        assert group.num_threads == 2
    env.close()


def test_the_speed_is_measured_without_a_stopwatch_and_the_shares_with_one(monkeypatch):
    """On a GPU the stopwatch waits for work that would overlap."""
    seen = []

    class Model:
        device, num_timesteps, env = torch.device("cpu"), 0, None

        def learn(self, steps, reset_num_timesteps):
            seen.append((steps, "train" in vars(self)))
            clock.now += steps / 100
            self.num_timesteps += steps
            if "train" in vars(self):
                self.train()

        def train(self):
            clock.now += 1.0

    class Clock:
        now = 0.0

    class Env:
        def step_async(self, actions): ...

        def step_wait(self): ...

    clock, model = Clock(), Model()
    model.env, model.policy = Env(), torch.nn.Identity()
    monkeypatch.setattr(train_worker.time, "perf_counter", lambda: clock.now)
    found = train_worker._measure(model, 400)
    assert seen == [(400, False), (200, True)]
    assert found.steps_per_second == 100.0
    assert found.shares == {"update": pytest.approx(1 / 3), "rest": pytest.approx(2 / 3)}
    assert vars(model.env) == {}
