"""Links, disks and names that would lead a command astray."""

from __future__ import annotations

import csv
import errno
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from rl_coordconv.cli import main
from rl_coordconv.reports.finding import linked_runs
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.training.resolve import resolve_run

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytestmark = pytest.mark.filterwarnings("always::UserWarning")

STEERS = "\x1b[31m\x9b2J\x00\u202eevil\u2066\ufeff"


def write_run(folder: Path, seed: int = 0, **changes: str) -> RunDirectory:
    """Write a finished run of 30 games; ``changes`` are fields of its configuration."""
    config = resolve_run("Aim", seed=seed, device="cpu", extractor="cnn")
    run = RunDirectory.create(config, folder)
    data = yaml.safe_load(run.config_file.read_text()) | changes
    run.config_file.write_text(yaml.safe_dump(data, allow_unicode=True))
    rows = "".join(f"{game % 5}.0,16,1.0,{16 * (game + 1)}\n" for game in range(30))
    run.episodes_file.write_text(f"#{{}}\nr,l,t,step\n{rows}")
    Status(state=RunState.DONE, num_timesteps=480, total_timesteps=480).save(run.status_file)
    return run


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A sweep with two runs, beside a folder that nobody may touch."""
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        write_run(tmp_path / "sweep" / "runs", seed)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    return tmp_path / "sweep"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(capsys, *words: str) -> str:
    assert main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    return error


@pytest.mark.parametrize(
    "place", ["report.html", "report.md", "results.csv", "figures", "figures/curves-ppo-Aim.svg",
              "figures/curves-ppo-Aim.png"],
)  # fmt: skip
def test_a_report_goes_through_no_link(sweep, tmp_path, capsys, place):
    outside = tmp_path / "outside"
    before = contents(outside)
    link = sweep / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside if place == "figures" else outside / "precious")
    assert f"{place} is a link" in refused(capsys, "compare", "sweep", "--resamples", "100")
    assert contents(outside) == before


def test_other_outputs_go_through_no_link(sweep, tmp_path, capsys):
    run = next((sweep / "runs").iterdir())
    for name in ("x.json", "x.svg"):
        Path(name).symlink_to(tmp_path / "outside" / "precious")
    assert "x.svg is a link" in refused(capsys, "curves", run, "--output", "x.svg")
    assert "x.json is a link" in refused(capsys, "evaluate", run, "--output", "x.json")
    assert (tmp_path / "outside" / "precious").read_text() == "precious"


@pytest.mark.parametrize(
    "place", ["monitor.csv", "command.txt", "metrics.jsonl", "checkpoints", "status.json",
              "record.json", "model.zip", ".trial.zip", ".model.tmp.zip", "profile",
              "initial_policy", "checkpoints/step_000000000064"],
)  # fmt: skip
def test_a_training_goes_through_no_link(sweep, tmp_path, capsys, place):
    outside = tmp_path / "outside"
    (outside / "step_000000000001").mkdir()
    (outside / "step_000000000001" / "state.pt").write_text("precious")
    before = contents(outside)
    run = sorted((sweep / "runs").iterdir())[0]
    link = run / place
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    is_folder = place.startswith(("checkpoints", "profile", "initial"))
    link.symlink_to(outside if is_folder else outside / "precious")
    assert "is a link" in refused(capsys, "train", "--resume", run)
    assert contents(outside) == before


def test_linked_runs_are_named_and_not_followed(sweep, tmp_path, capsys):
    other = write_run(tmp_path / "elsewhere", 7)
    (sweep / "runs" / "linked").symlink_to(other.path)
    assert main(["compare", "sweep", "--resamples", "100"]) == 0
    out = capsys.readouterr().out
    assert "set aside: sweep/runs/linked: is a link, which is not followed" in out
    rows = list(csv.DictReader((sweep / "results.csv").read_text().splitlines()))
    assert sorted(row["seed"] for row in rows) == ["0", "1"]


def test_a_linked_folder_of_runs_is_named_once(sweep):
    (sweep / "runs").rename(sweep.parent / "elsewhere")
    (sweep / "runs").symlink_to(sweep.parent / "elsewhere")
    assert [one.path for one in linked_runs([sweep])] == [sweep / "runs"]


def test_a_linked_file_of_a_run_sets_it_aside(sweep, tmp_path, capsys):
    run = sorted((sweep / "runs").iterdir())[0]
    shutil.move(run / "monitor.csv", tmp_path / "outside" / "monitor.csv")
    (run / "monitor.csv").symlink_to(tmp_path / "outside" / "monitor.csv")
    assert main(["compare", "sweep", "--resamples", "100"]) == 0
    assert "monitor.csv is a link" in capsys.readouterr().out


def test_a_run_that_lost_its_configuration_and_a_damaged_plan_are_named(sweep, capsys):
    run = sorted((sweep / "runs").iterdir())[0]
    for name in ("config.yaml", "status.json"):
        (run / name).unlink()
    (sweep / "sweep.yaml").write_text("games: [")
    assert main(["compare", "sweep", "--resamples", "100"]) == 0
    out = capsys.readouterr().out
    assert "it has no config.yaml" in out
    assert "sweep.yaml: which runs were planned is not known" in out
    report = (sweep / "report.md").read_text()
    assert "which runs were planned is not known" in report


def test_nothing_that_can_be_read_is_an_error(sweep, capsys):
    for run in (sweep / "runs").iterdir():
        (run / "status.json").write_text("{")
    error = refused(capsys, "compare", "sweep")
    assert "no run could be read" in error
    assert "status.json is damaged" in error
    assert "and 1 more" in error
    assert not (sweep / "report.html").exists()


def hidden_in(content: str) -> set[str]:
    return set(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", content))


@pytest.mark.parametrize("name", [STEERS.replace("\x00", "").replace("\x9b", ""), "x" * 5000,
                                  "[/b][bold]", "=1+1", "$x_$", "a|b"], ids=range(6))  # fmt: skip
def test_names_are_shown_and_never_obeyed(sweep, capsys, name):
    bad = write_run(sweep / "runs", 2, agent=name)
    status = Status(state=RunState.FAILED, num_timesteps=480, total_timesteps=480,
                    error=f"{STEERS}{name}")  # fmt: skip
    status.save(bad.status_file)
    write_run(sweep / "runs", 3, agent=name)
    assert main(["compare", "sweep", "--resamples", "100"]) == 0
    runs = [str(run) for run in (sweep / "runs").iterdir()]
    assert main(["curves", *runs, "--output", "curves.svg"]) == 0
    texts = [capsys.readouterr().out]
    texts += [(sweep / one).read_text() for one in ("report.html", "report.md", "results.csv")]
    texts += [path.read_text() for path in (sweep / "figures").glob("*.svg")]
    for text in (*texts, Path("curves.svg").read_text()):
        assert hidden_in(text) == set()
    rows = {
        row["seed"]: row for row in csv.DictReader((sweep / "results.csv").read_text().splitlines())
    }
    assert len(rows["3"]["agent"]) <= 301
    assert not rows["3"]["agent"].startswith("=")
    assert rows["2"]["num_timesteps"] == "480"


def test_brackets_in_a_path_are_printed_as_they_are(sweep, capsys):
    for name in ("[bold]x", "x[/b]"):
        shutil.copytree("sweep", name)
        assert main(["compare", name, "--resamples", "100"]) == 0
        assert f"report: {name}/report.html" in capsys.readouterr().out
        assert name in refused(capsys, "train", "--resume", f"{name}/runs")


@pytest.fixture
def mounted(tmp_path):
    """Mount a small file system; nothing is tested where that is not allowed."""
    made: list[Path] = []

    def mount(*options: str) -> Path:
        place = tmp_path / f"mount{len(made)}"
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(place)]
        try:
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system can be mounted here: {error}")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_read_only(sweep, mounted, capsys):
    disk = mounted("size=4m")
    shutil.copytree(sweep, disk / "sweep")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    run = sorted((disk / "sweep" / "runs").iterdir())[0]
    assert "Read-only file system" in refused(capsys, "train", "--resume", run)
    assert "Read-only file system" in refused(capsys, "compare", disk / "sweep")
    output = disk / "x.svg"
    assert "Read-only file system" in refused(capsys, "curves", run, "--output", output)
    assert main(["curves", str(run), "--output", "here.svg"]) == 0


def test_a_disk_that_is_full(sweep, mounted, capsys):
    disk = mounted("size=64k")
    run = sorted((sweep / "runs").iterdir())[0]
    for words in (("compare", "sweep", "--output", disk / "report", "--resamples", "100"),
                  ("curves", run, "--output", disk / "x.png")):  # fmt: skip
        (disk / "filling").write_bytes(b"")
        (disk / "filling").write_bytes(bytes(os.statvfs(disk).f_bavail * 4096 - 8192))
        error = refused(capsys, *words)
        assert "No space left on device" in error
        assert str(disk) in error
        (disk / "filling").unlink()


def test_a_full_disk_where_none_can_be_mounted(sweep, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("rl_coordconv._util.files._sync_tree", full)
    run = sorted((sweep / "runs").iterdir())[0]
    error = refused(capsys, "curves", run, "--output", "x.svg")
    assert error == "error: x.svg: No space left on device\n"
    assert not Path("x.svg").exists()
    assert "No space left on device" in refused(capsys, "compare", "sweep", "--resamples", "100")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("curves", "RUN", "--output", "nowhere/x.svg"), "nowhere does not exist"),
        (("curves", "RUN", "--output", "outside.svg"), "is a directory"),
        (("evaluate", "RUN", "--output", "nowhere/x.json"), "nowhere does not exist"),
        (("evaluate", "RUN", "--output", "outside"), "is a directory"),
        (("compare", "sweep", "--output", "sweep/sweep.yaml"), "is a file, not a directory"),
        (("evaluate", "model.zip"), "its pickles would import"),
    ],
)
def test_outputs_and_inputs_of_another_kind(sweep, capsys, words, answer):
    (sweep / "sweep.yaml").write_text("{}")
    Path("outside.svg").mkdir()
    with zipfile.ZipFile("model.zip", "w") as archive:
        archive.writestr("data", "{}")
    run = sorted((sweep / "runs").iterdir())[0]
    assert answer in refused(capsys, *(str(run) if word == "RUN" else word for word in words))
