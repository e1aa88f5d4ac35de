"""``sweep status`` on what was submitted."""

import pytest
from fake_slurm import STEPS
from small_sweeps import runs_of

from rl_coordconv.cli import main
from rl_coordconv.runs import RunState, Status
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.overview import look


class TestOverview:
    def test_it_shows_what_each_run_is_doing(self, waiting, sweep, tmp_path, capsys):
        sweep(seeds=3)
        failed, done, _ = runs_of(tmp_path / "s")
        Status(state=RunState.FAILED, error="OSError: no", num_timesteps=32).save(
            failed.status_file
        )
        Status(state=RunState.DONE, num_timesteps=STEPS).save(done.status_file)
        assert main(["sweep", "status", str(tmp_path / "s")]) == 0
        said = capsys.readouterr().out
        assert "1 failed, 1 pending, 1 done of 3 runs" in said
        assert said.count("SLURM: pending") == 3
        assert f"failed: {failed.path.name}: OSError: no" in said

    def test_it_needs_no_cluster_and_follows_no_link(self, waiting, sweep, tmp_path, monkeypatch):
        sweep(seeds=2)
        monkeypatch.setenv("PATH", "/nowhere")
        (tmp_path / "s" / "runs" / "link").symlink_to(runs_of(tmp_path / "s")[0].path)
        found = look(SweepDirectory(tmp_path / "s"))
        assert [row.state for row in found.rows] == [RunState.PENDING] * 2
        assert [row.where for row in found.rows] == ["", ""]
        assert found.describe() == "2 pending of 2 runs; 0% of all steps"

    def test_a_damaged_run_is_named(self, waiting, sweep, tmp_path):
        sweep(seeds=2)
        runs_of(tmp_path / "s")[0].config_file.unlink()
        found = look(SweepDirectory(tmp_path / "s"))
        assert [row.state for row in found.rows] == [RunState.FAILED, RunState.PENDING]
        assert runs_of(tmp_path / "s")[0].path.name in found.notes[0]
        assert "config.yaml" in found.notes[0]

    @pytest.mark.parametrize(("argv", "answer"), [
        ([], "the sweep's directory is missing"),
        (["nowhere"], "nowhere holds no sweep"),
        (["a", "b"], "sweep status --help tells the flags"),
    ])  # fmt: skip
    def test_refusals(self, tmp_path, monkeypatch, capsys, argv, answer):
        monkeypatch.chdir(tmp_path)
        assert main(["sweep", "status", *argv]) == 2
        assert answer in capsys.readouterr().err
