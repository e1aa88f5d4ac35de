"""Runs that plain SB3 and the RL Zoo trained."""

import json
import warnings

import numpy as np
import pytest
from stable_baselines3.common.monitor import ResultsWriter

from rl_coordconv._util.errors import InputError
from rl_coordconv.reports.gather import gather, parse_imports
from rl_coordconv.reports.imports import import_runs
from rl_coordconv.reports.outcomes import Options


def write_monitor(path, rows, env_id="PongNoFrameskip-v4", t_start=1000.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"t_start": t_start, "env_id": env_id})
    lines = [f"#{header}", "r,l,t", *(f"{r},{length},{t}" for r, length, t in rows)]
    path.write_text("\n".join([*lines, ""]))


def write_events(folder, points, tag="rollout/ep_rew_mean"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter
    with SummaryWriter(str(folder)) as writer:
        for step, value in points:
            writer.add_scalar(tag, value, step)


def test_the_environments_of_a_run_are_merged_in_the_order_of_their_games(tmp_path):
    folder = tmp_path / "ppo" / "PongNoFrameskip-v4_1"
    write_monitor(folder / "0.monitor.csv", [(-21, 4000, 10.0), (-19, 4000, 30.0)])
    # This environment began 5 seconds later: its game ended at 1018, between the other's two.
    write_monitor(folder / "1.monitor.csv", [(-20, 8000, 13.0)], t_start=1005.0)
    [run], unreadable = import_runs("zoo", tmp_path, ["a2c"])
    assert unreadable == []
    assert (run.game, run.agent, run.arm, run.seed, run.state) == (
        "Pong", "ppo", "zoo", 0, "imported"
    )  # fmt: skip
    # SB3's Monitor lies inside the frame skip of 4: l is emulator frames, the axis agent steps.
    assert run.steps.tolist() == [1000, 3000, 4000]
    assert run.returns.tolist() == [-21, -20, -19]
    assert (run.num_timesteps, run.seconds, run.usable) == (4000, 30.0, True)
    assert run.score(4000) == -20


def test_other_environments_count_agent_steps(tmp_path):
    write_monitor(tmp_path / "monitor.csv", [(1, 100, 1.0), (3, 50, 2.0)], env_id="ALE/Pong-v5")
    [run], _ = import_runs("mine", tmp_path, ["a2c"])
    assert run.steps.tolist() == [100, 150]
    assert run.agent == "a2c"  # no folder tells, and all other runs are a2c's


def test_our_own_step_column_is_taken_at_its_word(tmp_path):
    (tmp_path / "monitor.csv").write_text('#{"env_id": "Pong"}\nr,l,t,step\n1,9999,1.0,70\n')
    [run], _ = import_runs("mine", tmp_path, ["a2c", "ppo"])
    assert run.steps.tolist() == [70]
    assert run.agent == "unknown agent"


def test_seeds_are_numbered_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        write_monitor(tmp_path / f"A2C_{number}" / "monitor.csv", [(number, 4, 1.0)])
    runs, _ = import_runs("zoo", tmp_path, [])
    assert [(run.seed, run.returns[0], run.agent) for run in runs] == [
        (0, 1, "a2c"), (1, 2, "a2c"), (2, 10, "a2c"),
    ]  # fmt: skip


def test_tensorboard_events_are_read_where_no_monitor_file_is(tmp_path):
    write_events(tmp_path / "BreakoutNoFrameskip-v4" / "PPO_3", [(1000, 1.5), (2000, 2.5)])
    [run], _ = import_runs("tb", tmp_path, [])
    assert (run.game, run.agent) == ("Breakout", "ppo")
    assert run.steps.tolist() == [1000, 2000]
    # The values are means over 100 games already and are not averaged again.
    assert run.score(1999) == 1.5
    assert run.score(2000) == 2.5
    write_monitor(tmp_path / "BreakoutNoFrameskip-v4" / "monitor.csv", [(7, 4, 1.0)])
    [run], _ = import_runs("tb", tmp_path, [])
    assert run.returns.tolist() == [7]


def write_with_sb3(path, sessions):
    """Let SB3 write a monitor file, each session after the first appending to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(sessions):
        header = {"t_start": 1000.0 + 5000 * number, "env_id": "ALE/Pong-v5"}
        writer = ResultsWriter(str(path), header=header, override_existing=number == 0)
        for value, length, seconds in rows:
            writer.write_row({"r": value, "l": length, "t": seconds})
        writer.close()


def test_a_session_that_was_appended_comes_after_the_one_before(tmp_path):
    """Its clock begins at 0 again; the order of a file is that of its rows."""
    sessions = [[(200 * number + game, 10, 1.0 + game) for game in range(200)] for number in (0, 1)]
    write_with_sb3(tmp_path / "monitor.csv", sessions)
    [run], unreadable = import_runs("zoo", tmp_path, ["ppo"])
    assert unreadable == []
    assert run.returns.tolist() == list(range(400))
    assert run.steps.tolist() == list(range(10, 4001, 10))
    assert run.score(4000) == 349.5
    assert run.score(2000) == 149.5
    assert run.seconds == 400.0


def test_sessions_of_several_environments_are_merged_session_by_session(tmp_path):
    # Returns say in which order the games ended; the clocks go back to 0 in between.
    first = [[(game, 10, float(game)) for game in (0, 2, 4)], [(6, 10, 1.0), (8, 10, 3.0)]]
    second = [[(game, 10, float(game)) for game in (1, 3, 5)], [(7, 10, 2.0)]]
    write_with_sb3(tmp_path / "0.monitor.csv", first)
    write_with_sb3(tmp_path / "1.monitor.csv", second)
    # One that ended no game before the interruption: its file's only session is its first.
    write_with_sb3(tmp_path / "2.monitor.csv", [[]])
    [run], _ = import_runs("zoo", tmp_path, ["ppo"])
    assert run.returns.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert run.steps.tolist() == list(range(10, 91, 10))
    assert run.seconds == 8.0


def test_our_own_run_that_was_resumed_is_read_in_the_order_of_its_rows(tmp_path):
    rows = "1,9,50.0,70\n2,9,60.0,140\n3,9,5.0,210\n4,9,15.0,280\n"
    (tmp_path / "monitor.csv").write_text(f'#{{"env_id": "Pong"}}\nr,l,t,step\n{rows}')
    [run], unreadable = import_runs("mine", tmp_path, ["ppo"])
    assert unreadable == []
    assert run.returns.tolist() == [1, 2, 3, 4]
    assert run.steps.tolist() == [70, 140, 210, 280]


def test_wherever_a_monitor_file_is_cut_its_whole_rows_are_read(tmp_path):
    rows = [(-21, 40, 1.5), (7.25, 123, 2.5), (1, 9, 30.0)]
    write_monitor(tmp_path / "monitor.csv", rows, env_id="ALE/Pong-v5")
    whole = (tmp_path / "monitor.csv").read_bytes()
    for end in range(len(whole)):
        (tmp_path / "monitor.csv").write_bytes(whole[:end])
        runs, unreadable = import_runs("zoo", tmp_path, ["ppo"])
        there = [row for row in rows if "\n{},{},{}\n".format(*row).encode() in whole[:end]]
        assert [run.returns.tolist() for run in runs] == ([[r for r, *_ in there]] if there else [])
        assert len(unreadable) == (not there)
        assert all("monitor" in one.reason for one in unreadable)


def test_damaged_lines_are_left_out_and_said(tmp_path, write_arm):
    write_arm(tmp_path / "runs", "cnn", [0])
    path = tmp_path / "zoo" / "Pong" / "monitor.csv"
    write_monitor(path, [(3, 4000, 1.0), (5, 4000, 2.0)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "\0" * 30, "nonsense", lines[3], ""]))
    comparison = gather([tmp_path / "runs"], {"zoo": tmp_path / "zoo"}, Options(resamples=100))
    assert [run.returns.tolist() for run in comparison.runs if run.arm == "zoo"] == [[3, 5]]
    assert (
        "Pong, ppo, zoo, seed 0: 2 damaged lines of its record of games left out."
        in comparison.warnings
    )


def test_what_cannot_be_read_is_named(tmp_path):
    write_monitor(tmp_path / "a" / "monitor.csv", [(1, 4, 1.0)], env_id="CartPole-v1")
    write_monitor(tmp_path / "b" / "monitor.csv", [])
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "monitor.csv").write_text("no header\n")
    write_monitor(tmp_path / "d" / "monitor.csv", [(5, 4, 1.0)])
    runs, unreadable = import_runs("zoo", tmp_path, [])
    assert [run.returns[0] for run in runs] == [5]
    assert [one.path.name for one in unreadable] == ["a", "b", "c"]
    assert "none of 'CartPole-v1', 'a'" in unreadable[0].reason
    assert "no game has ended" in unreadable[1].reason
    assert "SB3's line of JSON" in unreadable[2].reason


def test_events_without_the_tag_are_named(tmp_path):
    write_events(tmp_path / "Pong", [(1, 1.0)], tag="train/loss")
    runs, [one] = import_runs("tb", tmp_path, [])
    assert runs == []
    assert "hold no rollout/ep_rew_mean" in one.reason


def test_wrong_imports_are_refused(tmp_path, write_run):
    with pytest.raises(InputError, match=r"looked for monitor.csv, \*.monitor.csv and events"):
        import_runs("zoo", tmp_path, [])
    with pytest.raises(InputError, match="not a directory"):
        import_runs("zoo", tmp_path / "nowhere", [])
    for wrong in ("zoo", "=dir", "zoo="):
        with pytest.raises(InputError, match="is not NAME=DIR"):
            parse_imports([wrong])
    with pytest.raises(InputError, match="given twice"):
        parse_imports(["zoo=a", "zoo=b"])
    write_run(tmp_path / "runs")
    with pytest.raises(InputError, match="name of an arm that is there already"):
        gather([tmp_path], {"cnn": tmp_path}, Options())


def test_an_import_is_compared_with_our_runs(tmp_path, write_arm):
    write_arm(tmp_path / "runs", "cnn", [0, 1, 2])
    for seed in range(3):
        rows = [(9 + seed, 800, float(game)) for game in range(60)]
        write_monitor(tmp_path / "zoo" / "ppo" / f"Pong_{seed + 1}" / "0.monitor.csv", rows)
    comparison = gather([tmp_path / "runs"], {"zoo": tmp_path / "zoo"}, Options(resamples=200))
    [game] = comparison.games
    assert game.cell.budget == 12_000  # 60 games of 800 frames are as many agent steps
    assert game.arms[1].versus("cnn").differences == pytest.approx((9, 9, 9))
    assert np.isfinite(game.arms[1].versus("cnn").difference.low)
    assert comparison.tallies[0].sentence.startswith("zoo vs cnn, ppo: better on 1")
    assert any("zoo: trained elsewhere" in note for note in game.notes)
