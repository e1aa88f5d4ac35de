"""A sweep's grid: every combination of hyperparameters, checked for each agent."""

import pytest
import yaml

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.cli import main
from rl_coordconv.cli.options import parse_grid
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.estimate import speed_names
from rl_coordconv.sweeps.plan import SweepConfig


def config(**changes):
    values = {"games": ("Pong",), "extractors": ("cnn", "coordconv"), "seeds": 2}
    return SweepConfig.build(values | changes, "the test")


GRID = {"learning_rate": ["lin_1e-4", 1e-3], "n_steps": [64, 128]}


def test_every_combination_is_trained_with_every_arm_and_seed():
    runs = config(grid=GRID).runs()
    found = [(one.seed, one.preset.learning_rate, one.preset.n_steps, one.extractor)
             for one in runs]  # fmt: skip
    assert found == [
        (seed, rate, steps, extractor)
        for seed in (0, 1)
        for rate in ("lin_1e-4", 0.001)
        for steps in (64, 128)
        for extractor in ("cnn", "coordconv")
    ]
    assert len({one.name for one in runs}) == len(runs) == 16
    assert {one.agent for one in runs} == {"ppo"}
    assert config(grid={}).runs() == config().runs()


def test_on_the_command_line_it_is_written_with_commas(tmp_path, capsys):
    words = ("learning_rate=lin_1e-4,1e-3", "target_kl=null,0.02", "optimizer_kwargs.eps=1e-8")
    assert parse_grid(words) == {
        "learning_rate": ["lin_1e-4", 1e-3], "target_kl": [None, 0.02],
        "optimizer_kwargs.eps": [1e-8],
    }  # fmt: skip
    runs = config(grid=parse_grid(words)).runs()
    assert [one.preset.target_kl for one in runs[:4:2]] == [None, 0.02]
    assert {one.preset.optimizer_kwargs["eps"] for one in runs} == {1e-8}


def test_flags_take_the_place_of_the_files_grid(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("rl_coordconv.sweeps.run.sweep", lambda one, *_, **__: seen.append(one))
    monkeypatch.setattr("rl_coordconv.cli.sweep._launcher", lambda *_: None)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"games": ["Pong"], "seeds": 1, "grid": GRID}))
    out = ["--output", str(tmp_path / "out")]
    assert not main(["sweep", str(file), *out])
    assert not main(["sweep", str(file), *out, "--grid", "gamma=0.9,0.99"])
    assert [one.grid for one in seen] == [GRID, {"gamma": [0.9, 0.99]}]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"grid": {"clip_range": [0.1]}, "agents": ("ppo", "a2c")}, UnknownNameError,
         "unknown hyperparameter of agent a2c 'clip_range'"),
        ({"grid": {"gama": [0.9]}}, UnknownNameError, "did you mean 'gamma'"),
        ({"grid": {"gamma": []}}, InputError, "grid: 'gamma' has no values"),
        ({"grid": {"gamma": [0.9, 0.9]}}, InputError, "grid: 0.9 is given twice for 'gamma'"),
        ({"grid": {"gamma": [1, 1.0]}}, InputError, "grid: 1.0 is given twice"),
        ({"grid": {"gamma": 0.9}}, InputError, "grid.gamma: .*list, got 0.9"),
        ({"grid": {"learning_rate": ["1e-4"]}}, InputError, "write 2.5e-4"),
        ({"grid": {"n_steps": [64]}, "n_envs": 3}, InputError, "does not divide"),
        ({"grid": {"n_envs": [8]}, "n_envs": 8}, InputError, "n_envs is given twice"),
        ({"grid": {"algorithm": ["ppo"]}}, InputError, "algorithm cannot be set"),
        ({"grid": {"optimizer_kwargs": [1], "optimizer_kwargs.eps": [1e-5]}}, InputError,
         "optimizer_kwargs"),
        ({"grid": {"gamma": [i / 20000 for i in range(20001)]}, "seeds": 1}, InputError,
         "1 games x 1 agents x 2 extractors x 1 seeds x 20,001 settings are 40,002 runs"),
    ],
)  # fmt: skip
def test_what_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        config(**changes).runs()


def test_a_description_without_a_grid_is_the_same_sweep(tmp_path):
    directory = SweepDirectory(tmp_path / "sweep")
    directory.prepare(config())
    kept = yaml.safe_load(directory.config_file.read_text())
    assert kept.pop("grid") == {}
    directory.config_file.write_text(yaml.safe_dump(kept))  # as an earlier version left it
    assert directory.prepare(config()) == []
    (news,) = directory.prepare(config(grid={"learning_rate": ["lin_2.5e-4", "lin_1e-4"]}))
    # The preset's own rate is among them.
    assert news == ("4 runs are added to the 4 before (grid was {}, is {'learning_rate': "
                    "['lin_2.5e-4', 'lin_1e-4']})")  # fmt: skip
    with pytest.raises(InputError, match="holds another sweep .grid was"):
        directory.prepare(config(grid={"learning_rate": ["lin_1e-4"]}))
    again = SweepConfig.load_kept(directory.config_file)
    assert again.grid == {"learning_rate": ["lin_2.5e-4", "lin_1e-4"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [(["gamma"], "--grid 'gamma' is not KEY=V1,V2"), (["=1"], "is not KEY=V1,V2"),
     (["gamma=0.9", "gamma=0.8"], "--grid 'gamma' is given twice"),
     (["gamma=0.9,"], "the value of 'gamma=' is neither"), ([], "--grid is given without any")],
)  # fmt: skip
def test_words_that_are_no_grid(words, message, capsys):
    assert main(["sweep", "--games", "Pong", "--grid", *words]) == 2
    assert message in capsys.readouterr().err


def test_each_speed_of_a_grid_is_measured():
    runs = config(grid=GRID, seeds=1, extractors=("cnn",)).runs()
    assert speed_names(runs) == ["ppo, n_steps 64", "ppo, n_steps 128"] * 2
    assert speed_names(config(seeds=1).runs()) == ["ppo", "ppo"]
