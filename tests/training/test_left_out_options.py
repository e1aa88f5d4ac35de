"""A preset's options that an extractor does not have are told, before they make arms unequal."""

from __future__ import annotations

import yaml

from rl_coordconv._util.presets import preset_path
from rl_coordconv.cli.main import main
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.setup import left_out_options


def written(tmp_path) -> str:
    preset = yaml.safe_load(preset_path("agents", "agent", "ppo-aim").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(preset | {"extractor_kwargs": {"with_r": True}}))
    return str(path)


def test_it_is_told_of_the_extractor_that_lacks_one(tmp_path):
    agent = written(tmp_path)
    assert left_out_options(resolve_run("Aim", agent=agent, extractor="coordconv")) is None
    assert left_out_options(resolve_run("Aim", agent=agent, extractor="cnn")) == (
        "cnn has no option with_r, which mine gives to every extractor that does: beside those it "
        "differs in that, too"
    )


def test_a_training_says_so_at_its_beginning(tmp_path, capsys):
    command = ["train", "--game", "Aim", "--agent", written(tmp_path), "--extractor", "cnn"]
    command += ["--total-timesteps", "512", "--eval-episodes", "0", "--logdir", str(tmp_path)]
    assert main(command) == 0
    assert "note: cnn has no option with_r" in " ".join(capsys.readouterr().out.split())
