"""Every file of a run, damaged in every way, given to every command: the table in damages.py."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import deque
from pathlib import Path

import damages
import pytest
import recording
import yaml
from damages import COMMANDS, INITIAL_FILES, SWEEP_COMMANDS, SWEEP_TABLE, TABLE, Outcome
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.presets import preset_path
from rl_coordconv.cli import main, outputs
from rl_coordconv.exports.onnx_file import OnnxPolicy
from rl_coordconv.reports.results import load_run
from rl_coordconv.runs import RunDirectory
from rl_coordconv.runs.precision import Decision
from rl_coordconv.training.extending import extend

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytestmark = pytest.mark.filterwarnings("always::UserWarning")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """Two finished runs and an interrupted one, small, as `train` leaves them."""
    folder = tmp_path_factory.mktemp("runs")
    preset = yaml.safe_load(preset_path("agents", "agent", "ppo").read_text())
    small = {"n_envs": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 1}
    (folder / "small.yaml").write_text(yaml.safe_dump(preset | small))
    for seed in ("0", "1", "2"):
        words = ["train", "--game", "Aim", "--agent", folder / "small.yaml", "--seed", seed,
                 "--extractor", "cnn", "--extractor-kwargs", "features_dim=4",
                 "--total-timesteps", "64", "--eval-episodes", "1", "--eval-freq", "32",
                 "--eval-freq-episodes", "1", "--device", "cpu", "--precision", "fp32",
                 "--threads", "1", "--logdir", folder / "all"]  # fmt: skip
        assert main([str(word) for word in words]) == 0
    good, finished, interrupted = sorted((folder / "all").iterdir())
    for path in (finished, interrupted):
        Decision(precision="fp32", reason="a test").save(path)
    extend(RunDirectory(interrupted), 96)
    return {"good": good, "finished": finished, "interrupted": interrupted}


EXPORTED = OnnxPolicy(b"onnx", {}, {}, 0.0, {"onnxruntime": "1.0"})


@pytest.fixture(autouse=True)
def _without_work(monkeypatch):
    """No training and no drawing: what is read and written around them is what is tested."""

    def learn(self, total_timesteps, **_):
        self.num_timesteps += total_timesteps
        self.ep_info_buffer = self.ep_info_buffer or deque()
        self.ep_success_buffer = self.ep_success_buffer or deque()
        return self

    monkeypatch.setattr(OnPolicyAlgorithm, "learn", learn)
    monkeypatch.setattr("rl_coordconv.reports.figures.Painter._figure", lambda *_: None)
    monkeypatch.setattr("rl_coordconv.reports.curves._draw_game", lambda *_: None)
    monkeypatch.setattr("rl_coordconv.exports.export.to_onnx", lambda _: EXPORTED)
    recording.register(monkeypatch)


@pytest.fixture
def place(tmp_path, runs, monkeypatch):
    """Copy a run into a sweep's directory beside a good one, and return its directory."""

    def copy(kind: str) -> Path:
        monkeypatch.chdir(tmp_path)
        for name in ("good", kind):
            shutil.copytree(runs[name], tmp_path / "sweep" / "runs" / runs[name].name)
        return tmp_path / "sweep" / "runs" / runs[kind].name

    return copy


def words_of(command: str, run: Path) -> list[str]:
    """Return the command line that gives a run to a command, beside others where it takes any."""
    good = next(path for path in run.parent.iterdir() if path != run)
    return {
        COMMANDS[0]: ["train", "--resume", str(run), "--threads", "1"],
        COMMANDS[1]: ["train", "--resume", str(run), "--threads", "1"],
        "evaluate": ["evaluate", str(run), "--episodes", "1", "--device", "cpu"],
        "export": ["export", str(run), "--onnx", "policy.onnx"],
        "push": ["push", str(run), "--repo-id", "org/name", "--local-dir", "published"],
        "track": ["track", "sweep", "--to", "recorder"],
        "curves": ["curves", str(run), str(good), "--output", "curves.svg"],
        "compare": ["compare", "sweep", "--output", "report", "--resamples", "100"],
    }[command]


def snapshot(folder: Path, *written: str) -> dict[str, str]:
    """Return what lies in a folder, by names; locks mean nothing by themselves.

    Args:
        folder: the folder.
        *written: names of files that are left out.
    """
    return {str(path.relative_to(folder)): content_of(path)
            for path in sorted(folder.rglob("*"))
            if path.name not in (".lock", *written)
            and not path.name.startswith(".lease-")}  # fmt: skip


def content_of(path: Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    if not path.is_file():
        return "folder" if path.is_dir() else "special"
    with path.open("rb") as file:
        return hashlib.sha256(file.read(2**20)).hexdigest() + str(path.stat().st_size)


def cells_of(table, commands):
    return [
        pytest.param(file, kind, command, outcome, id=f"{file}-{kind}-{command}")
        for file, kinds in table.items()
        for kind, outcomes in kinds.items()
        for command, outcome in zip(commands, outcomes, strict=True)
    ]


def few(spoils):
    """Return the first, the middle and the last of the damages of a kind."""
    found = list(spoils.items())
    return dict([found[0], found[len(found) // 2], found[-1]])


CELLS = cells_of(TABLE, COMMANDS)
SWEEP_CELLS = cells_of(SWEEP_TABLE, SWEEP_COMMANDS)


@pytest.mark.parametrize(("file", "kind", "command", "outcome"), CELLS)
def test_every_cell_of_the_table(place, tmp_path, capsys, file, kind, command, outcome):
    try_cell(few(damages.spoils(file, kind)), place, tmp_path, capsys, file, command, outcome)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "kind", "command", "outcome"), CELLS)
def test_every_damage_of_every_cell(place, tmp_path, capsys, file, kind, command, outcome):
    try_cell(damages.spoils(file, kind), place, tmp_path, capsys, file, command, outcome)


def try_cell(spoils, place, tmp_path, capsys, file, command, outcome):
    run = place("interrupted" if command == COMMANDS[1] else "finished")
    whole = tmp_path / "whole"
    run.rename(whole)
    for name, spoil in spoils.items():
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        if not (run / file).exists():
            (run / file).write_text(json.dumps({"format_version": 1}))
        spoil(run / file)
        written = ("tracking.json",) if command == "track" and outcome is Outcome.UNUSED else ()
        spoiled, before = content_of(run / file), snapshot(run, *written)
        code = main(words_of(command, run))
        out, err = capsys.readouterr()
        said = f"{name}: exit code {code}\n{out}\n{err}"
        assert "Traceback" not in said, said
        check(outcome, file, code, out, err, said)
        after = snapshot(run, *written)
        if outcome is Outcome.ANEW:
            assert content_of(run / file) not in ("folder", "special", spoiled), said
        elif outcome is Outcome.REFUSED or not (
            outcome is Outcome.TOLD or command.startswith("train")
        ):
            assert after == before, said


SWEEP = ["sweep", "--games", "Aim", "--agents", "small.yaml", "--extractors", "cnn", "--seeds", "2",
         "--total-timesteps", "64", "--eval-episodes", "1", "--device", "cpu",
         "--output", "sweep"]  # fmt: skip


@pytest.fixture(scope="module")
def finished_sweep(tmp_path_factory, runs) -> Path:
    """A folder with a finished sweep of two runs, and its preset."""
    folder = tmp_path_factory.mktemp("sweep")
    shutil.copy(runs["good"].parents[1] / "small.yaml", folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        assert main(SWEEP) == 0
    return folder


@pytest.fixture
def sweep(finished_sweep, tmp_path, monkeypatch) -> tuple[Path, Path]:
    """The whole sweep, and where its damaged copies go."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(finished_sweep / "small.yaml", tmp_path)
    return finished_sweep / "sweep", tmp_path / "sweep"


def sweep_words(command: str) -> list[str]:
    return {
        "sweep": SWEEP,
        "sweep status": ["sweep", "status", "sweep"],
        "compare": ["compare", "sweep", "--output", "report", "--resamples", "100"],
    }[command]


@pytest.mark.parametrize(("file", "kind", "command", "outcome"), SWEEP_CELLS)
def test_every_cell_of_the_sweeps_table(sweep, capsys, file, kind, command, outcome):
    try_sweep_cell(few(damages.spoils(file, kind)), *sweep, capsys, file, command, outcome)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "kind", "command", "outcome"), SWEEP_CELLS)
def test_every_damage_of_the_sweeps_table(sweep, capsys, file, kind, command, outcome):
    try_sweep_cell(damages.spoils(file, kind), *sweep, capsys, file, command, outcome)


def try_sweep_cell(spoils, whole, place, capsys, file, command, outcome):
    for name, spoil in spoils.items():
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        spoil(place / file)
        spoiled, before = content_of(place / file), snapshot(place)
        code = main(sweep_words(command))
        out, err = capsys.readouterr()
        said = f"{name}: exit code {code}\n{out}\n{err}"
        assert "Traceback" not in said, said
        check(outcome, file, code, out, err, said)
        if outcome is Outcome.ANEW:
            assert (place / file).read_bytes(), said
        elif outcome is Outcome.KEPT:
            assert content_of(place / file) == content_of(whole / file), said
            assert content_of(place / f"{file}.damaged") == spoiled, said
        else:
            assert snapshot(place) == before, said


def test_a_sweep_says_at_its_beginning_what_the_report_will_need(sweep, capsys, monkeypatch):
    shutil.copytree(*sweep)
    assert main(SWEEP) == 0
    assert "rl-coordconv[report]" not in capsys.readouterr().out
    found = outputs.importlib.util.find_spec
    monkeypatch.setattr(outputs.importlib.util, "find_spec",
                        lambda name, *_: None if name == "jinja2" else found(name))  # fmt: skip
    assert main(SWEEP) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("note, for when the sweep is done: writing a report needs jinja2")
    assert "pip install 'rl-coordconv[report]'" in first


@pytest.mark.parametrize("file", INITIAL_FILES)
def test_damaged_initial_weights_are_refused(runs, tmp_path, capsys, monkeypatch, file):
    """Of a run that begins with another's weights, before its first checkpoint."""
    monkeypatch.chdir(tmp_path)
    preset = runs["good"].parents[1] / "small.yaml"
    words = ["train", "--game", "Aim", "--agent", preset, "--extractor", "cnn",
             "--extractor-kwargs", "features_dim=4", "--total-timesteps", "64", "--from",
             runs["good"], "--eval-episodes", "0", "--device", "cpu", "--precision", "fp32",
             "--threads", "1", "--logdir", "begun"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    capsys.readouterr()
    run = next(Path("begun").iterdir())
    for name in ("checkpoints", "status.json", "record.json"):
        damages.spoils(name, damages.GONE)["missing"](run / name)
    run.rename("whole")
    for kind in (damages.GONE, damages.NO_FILE, damages.DAMAGED):
        for name, spoil in damages.spoils(file, kind).items():
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree("whole", run)
            spoil(run / file)
            code = main(["train", "--resume", str(run), "--threads", "1"])
            out, err = capsys.readouterr()
            said = f"{name}: exit code {code}\n{out}\n{err}"
            check(Outcome.REFUSED, "initial_policy", code, out, err, said)


def check(outcome: Outcome, file: str, code: int, out: str, err: str, said: str) -> None:
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    aside = [line for line in out.splitlines() if line.startswith("set aside: ")]
    if outcome is Outcome.REFUSED:
        assert code == 2, said
        assert [line for line in err.splitlines() if line] == errors, said
        assert len(errors) == 1, said
        assert file in errors[0], said
        assert len(errors[0]) < 1500, said
        return
    assert code == 0, said
    assert not errors, said
    if outcome is Outcome.ASIDE:
        assert len(aside) == 1, said
        assert file in aside[0], said
    else:
        assert not aside, said
    if outcome is Outcome.KEPT:
        assert f"{file} is damaged: it is kept as {file}.damaged" in out, said
    if outcome is Outcome.TOLD:
        words = "begins again at step 0" if file == "checkpoints" else file
        assert words in out + err, said


def test_every_damage_that_leaves_a_form_is_one_error_or_none(place, capsys):
    """Wherever a bit is flipped and a file is cut: the run is read, or refused by name."""
    run = place("finished")
    for file in ("config.yaml", "status.json", "environment.json", "evaluation.json", "monitor.csv",
                 "metrics.jsonl", "record.json"):  # fmt: skip
        content = (run / file).read_bytes()
        for at in range(0, len(content), max(1, len(content) // 60)):
            changed = bytearray(content)
            changed[at] ^= 1 << (at % 8)
            for spoiled in (bytes(changed), content[:at]):
                (run / file).write_bytes(spoiled)
                refused = refusal(run)
                assert refused is None or file in refused or file == "record.json", (at, refused)
        (run / file).write_bytes(content)
    load_run(RunDirectory(run))


def refusal(run):
    """What reading a run is refused with; None where it is read."""
    try:
        load_run(RunDirectory(run))
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("file", sorted(TABLE))
def test_damages_that_depend_on_the_byte_end_without_a_traceback(place, capsys, file):
    run = place("finished")
    for name in sorted(damage for there, damage in damages.LENIENT if there == file):
        content = (run / file).read_bytes()
        damages.DAMAGES.get(file, damages.JSON)[name](run / file)
        for command in (COMMANDS[0], *COMMANDS[2:]):
            code = main(words_of(command, run))
            err = capsys.readouterr().err
            assert (code, len(err.splitlines())) in [(0, 0), (2, 1)], (command, name, err)
        (run / file).write_bytes(content)


def test_the_table_knows_every_file_of_a_run(runs):
    there = {path.name for path in runs["interrupted"].iterdir()}
    others = {"command.txt", ".lock", "best_model.zip", "evaluation-64.json"}
    known = {name for name in there
             if name in TABLE or name.startswith(("events.out", ".lease-"))}  # fmt: skip
    assert there - known == others


def test_the_page_shows_this_table():
    text = PAGE.read_text(encoding="utf8")
    assert damages.markdown_tables() in text
