"""Reading runs: what was trained, what it scored, what is broken."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from rl_coordconv._util.errors import InputError
from rl_coordconv.extractors.arms import arm_name
from rl_coordconv.reports.curves import load_curve
from rl_coordconv.reports.finding import find_runs
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.reports.planned import read_plan
from rl_coordconv.reports.results import load_run, load_runs
from rl_coordconv.runs import RunDirectory, RunState


def test_a_run_is_read_whole(tmp_path, write_run):
    directory = write_run(
        tmp_path, game="MsPacman", agent="a2c", extractor="coordconv", seed=3, score=500,
        evaluation=(400, 700), ratios=((100, 0.7), (200, 0.9)), seconds=90.0,
    )  # fmt: skip
    save_file(
        {"w": np.zeros((3, 4), np.float32), "b": np.zeros(4)}, directory.path / "policy.safetensors"
    )
    run = load_run(directory)
    assert (run.game, run.agent, run.arm, run.seed) == ("MsPacman", "a2c", "coordconv", 3)
    assert (run.state, run.num_timesteps, run.total_timesteps) == ("done", 12_000, 12_000)
    assert (run.protocol, run.seconds, run.error) == ("deepmind", 90.0, None)
    assert run.steps.tolist() == list(range(100, 12_001, 100))
    assert run.evaluation == (400, 700)
    assert run.parameters == 3 * 4 + 4
    assert run.settings["precision"] == "fp32"
    assert run.settings["packages.torch"] == "2.13.0"
    assert run.settings["preset.n_envs"] == "8"
    steps, ratios = run.weights["features_extractor.cnn.0"]
    assert (steps.tolist(), ratios.tolist()) == ([100, 200], [0.7, 0.9])
    assert run.usable


def test_a_score_is_the_mean_of_the_last_hundred_games_within_the_budget(tmp_path, write_run):
    run = load_run(write_run(tmp_path, returns=list(range(150)), steps=1500))
    # Game i ends at step 10 (i + 1): 120 games within 1200 steps, of which 20 to 119 count.
    assert run.games_within(1200) == 120
    assert run.score(1200) == pytest.approx(np.mean(range(20, 120)))
    assert run.score(1209) == run.score(1200)
    assert run.score(30) == pytest.approx(1.0)
    assert np.isnan(run.score(9))


def test_options_are_part_of_the_arm(tmp_path, write_run):
    run = load_run(write_run(tmp_path, extractor="coordconv", extractor_kwargs={"with_r": True}))
    assert (run.arm, run.extractor) == ("coordconv(with_r=true)", "coordconv")
    assert arm_name("cnn", {}) == "cnn"


def test_a_run_that_is_being_written_is_read_without_its_last_half_row(tmp_path, write_run):
    directory = write_run(tmp_path, returns=[1, 2], steps=200, state=RunState.RUNNING)
    with directory.episodes_file.open("a") as file:
        file.write("9,3000,1.0,3")
    run = load_run(directory)
    assert run.returns.tolist() == [1, 2]
    assert not run.usable


def test_a_run_that_has_not_begun_is_pending(tmp_path, write_run):
    directory = write_run(tmp_path)
    for path in (directory.status_file, directory.episodes_file, directory.environment_file):
        path.unlink()
    run = load_run(directory)
    assert (run.state, len(run.steps), run.settings["precision"]) == ("pending", 0, "auto")


def test_runs_are_found_in_sweeps_folders_and_alone(tmp_path, write_arm):
    first, second = write_arm(tmp_path / "sweep" / "runs", "cnn", [1, 2])
    expected = sorted([first.path, second.path])
    assert find_runs([tmp_path / "sweep"]) == expected
    assert find_runs([tmp_path / "sweep" / "runs"]) == expected
    assert find_runs([first.path]) == [first.path]
    # Once, however often and in whichever spelling it is named.
    assert find_runs([first.path, tmp_path / "sweep", tmp_path / "sweep" / "." / "runs"]) == [
        first.path,
        second.path,
    ]


def test_no_run_says_what_was_looked_for_and_what_is_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"looked for config.yaml .*runs/.*holds notes.txt"):
        gather([tmp_path], {}, Options())
    with pytest.raises(InputError, match="nowhere is not a directory"):
        gather([tmp_path / "nowhere"], {}, Options())
    with pytest.raises(InputError, match="no directory was given"):
        gather([], {}, Options())


def test_broken_runs_are_named_rather_than_dropped(tmp_path, write_arm):
    good, unknown, rows, status, infinite = write_arm(tmp_path, "cnn", [1, 2, 3, 4, "nan"])
    unknown.config_file.write_text("game: Pong\n")
    rows.episodes_file.write_text("#{}\nr,l,t,step\nthis,is,no,number\n")
    status.status_file.write_text("[]")
    runs, unreadable = load_runs([run.path for run in (good, unknown, rows, status, infinite)])
    assert [run.seed for run in runs] == [0]
    assert [one.path for one in unreadable] == [
        run.path for run in (unknown, rows, status, infinite)
    ]
    assert "missing" in unreadable[0].reason
    assert "none of its lines is a row of r,l,t,step" in unreadable[1].reason
    assert "a game's return is not a finite number" in unreadable[3].reason


DAMAGES = [b"", b"{", b"\0" * 300, b"null", b"[]", b"7", b'"text"', b"{}", b"\xff\xfe\0x",
           b"[" * 100_000, b"\xff" * 8 + b"{}", b'{"state": "done", "num_timesteps": "x"}',
           b'{"returns": ["a"]}', b"# {", b"a: [", b"&a [*a]",
           b"no\nrow\n"]  # fmt: skip


@pytest.mark.parametrize("name", [
    "config.yaml", "status.json", "environment.json", "evaluation.json", "monitor.csv",
    "metrics.jsonl", "policy.safetensors",
])  # fmt: skip
def test_a_damaged_file_never_stops_a_report(tmp_path, write_arm, name):
    good, bad = write_arm(tmp_path, "cnn", [1, 2], evaluation=(1, 2), ratios=((100, 0.5),))
    for content in DAMAGES:
        (bad.path / name).write_bytes(content)
        comparison = gather([tmp_path], {}, Options(resamples=100))
        [arm] = comparison.games[0].arms
        assert good.path in [run.path for run in arm.runs]
        left_out = [(one.label, one.state) for one in comparison.left_out]
        if name == "monitor.csv" and b"\n" not in content and left_out[0][1] == "done":
            assert comparison.left_out[0].reason == "no training game ended"
            continue
        # Counted, or named with the file that is to blame.
        assert (arm.n, left_out) in [(2, []), (1, [(str(bad.path), "unreadable")])], content
        if left_out and name != "config.yaml":
            assert name in comparison.left_out[0].reason, content
            assert "Error: " not in comparison.left_out[0].reason, content


def test_a_run_that_lost_its_configuration_is_named(tmp_path, write_arm):
    good, bad = write_arm(tmp_path, "cnn", [1, 2])
    bad.config_file.unlink()
    runs, [one] = load_runs(find_runs([tmp_path]))
    assert [run.path for run in runs] == [good.path]
    assert one.path == bad.path
    assert "has no config.yaml" in one.reason


def test_wherever_its_files_are_cut_a_run_is_read(tmp_path, write_run):
    directory = write_run(
        tmp_path, returns=[1, -2.5, 3], steps=300, ratios=((100, 0.5), (200, 0.75))
    )
    games, metrics = (
        path.read_bytes() for path in (directory.episodes_file, directory.metrics_file)
    )
    ends = [end for end in range(len(games) + 1) if end == 0 or games[:end].endswith(b"\n")]
    for end in range(len(games) + 1):
        directory.episodes_file.write_bytes(games[:end])
        rows = max(0, sum(end >= one for one in ends) - 3)
        run = load_run(directory)
        assert run.steps.tolist() == [100, 200, 300][:rows], end
        assert run.returns.tolist() == [1, -2.5, 3][:rows], end
        if rows:
            assert load_curve(directory).returns.tolist() == [1, -2.5, 3][:rows]
        else:
            with pytest.raises(InputError, match="no game has ended yet"):
                load_curve(directory)
    for end in range(len(metrics) + 1):
        directory.metrics_file.write_bytes(metrics[:end])
        rows = metrics[:end].count(b"\n")
        weights = load_run(directory).weights.values()
        assert [ratios.tolist() for _, ratios in weights] == ([[0.5, 0.75][:rows]] if rows else [])


def test_a_sweeps_plan_is_read(tmp_path):
    (tmp_path / "sweep.yaml").write_text(
        "format_version: 2\ngames: [pong]\nagents: [ppo]\n"
        "extractors: [cnn, coordconv]\nseeds: 2\n"
        "extractor_kwargs: {coordconv: {with_r: true}}\n"
    )
    arms = ("cnn", "coordconv(with_r=true)")
    expected = [("Pong", "ppo", arm, seed, ()) for arm in arms for seed in (0, 1)]
    assert read_plan(tmp_path).runs == expected
    (tmp_path / "sweep.yaml").write_text(
        "format_version: 2\ngames: [Pong]\nagents: [ppo]\nextractors: [cnn]\nseeds: 1\n"
        "grid: {n_steps: [64, 128], learning_rate: [lin_1e-4, 0.001]}\n"
    )
    assert [one.label for one in read_plan(tmp_path).runs] == [
        "Pong, ppo, n_steps 64, learning_rate lin_1e-4, cnn, seed 0",
        "Pong, ppo, n_steps 64, learning_rate 0.001, cnn, seed 0",
        "Pong, ppo, n_steps 128, learning_rate lin_1e-4, cnn, seed 0",
        "Pong, ppo, n_steps 128, learning_rate 0.001, cnn, seed 0",
    ]
    (tmp_path / "sweep.yaml").write_text(
        "suite: atari-5\nagents: [a2c]\nextractors: [cnn]\nseeds: 1"
    )
    assert [game for game, *_ in read_plan(tmp_path).runs] == [
        "BattleZone", "DoubleDunk", "NameThisGame", "Phoenix", "Qbert",
    ]  # fmt: skip
    for text in ("seeds: many", "games: Pong\nagents: [ppo]", "games: [NoSuchGame]"):
        (tmp_path / "sweep.yaml").write_text(text)
        assert read_plan(tmp_path).runs == []
    assert read_plan(tmp_path / "elsewhere").runs == []


def test_a_run_directory_of_another_kind_is_no_run(tmp_path):
    with pytest.raises(InputError, match="not a run directory"):
        load_run(RunDirectory(tmp_path))
