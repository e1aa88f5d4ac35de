"""monitor.csv, written, cut anywhere, damaged, and taken up again."""

import json
import os

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs.episodes import (
    begin_episodes,
    read_episodes,
    read_monitor,
    truncate_episodes,
)
from rl_coordconv.training.callbacks import LogEpisodes

HEADER = '#{"t_start": 1000.5, "env_id": "Pong"}'
ROWS = [
    "-21.0,3000,1.5,900",
    "-20.0,3100,2.5,1800",
    "9.0,3000,10.125,3000",
    "1e1,12,20.0,3000",
    "3,7,30.0,44000",
]
WHOLE = "\n".join([HEADER, "r,l,t,step", *ROWS, ""]).encode()


def whole_rows(content):
    return [row for row in ROWS if f"\n{row}\n".encode() in content]


def in_(path):
    header, names, *rows = path.read_text().splitlines()
    assert names == "r,l,t,step"
    return json.loads(header.removeprefix("#")), rows


def test_wherever_the_file_is_cut_all_whole_rows_up_to_the_checkpoint_stay(tmp_path):
    path = tmp_path / "monitor.csv"
    for end in range(len(WHOLE) + 1):
        for rubbish in (b"", b"\0" * 64):  # a power cut may leave blocks that were never written
            path.write_bytes(WHOLE[:end] + rubbish)
            there = whole_rows(WHOLE[:end])
            assert read_episodes(path).steps.tolist() == [int(row.split(",")[3]) for row in there]
            assert read_episodes(path).returns.tolist() == [
                float(row.split(",")[0]) for row in there
            ]
            truncate_episodes(path, "Pong", 3000)
            header, rows = in_(path)
            assert header["env_id"] == "Pong"
            assert rows == [row for row in there if row != ROWS[-1]], end
            if end > len(HEADER):
                assert header["t_start"] == 1000.5


@pytest.mark.parametrize("lost", range(len(HEADER) + len("r,l,t,step") + 3))
def test_without_its_head_it_keeps_its_rows(tmp_path, lost):
    path = tmp_path / "monitor.csv"
    path.write_bytes(WHOLE[lost:])
    # Neither the rest of the head nor its absence hides a row.
    assert read_episodes(path).steps.tolist() == [900, 1800, 3000, 3000, 44000]
    if read_episodes(path).damaged:
        with pytest.warns(UserWarning, match=f"monitor.csv: {read_episodes(path).damaged} damaged"):
            truncate_episodes(path, "Pong", 3000)
    else:
        truncate_episodes(path, "Pong", 3000)
    header, rows = in_(path)
    assert header["env_id"] == "Pong"
    assert rows == ROWS[:4]


@pytest.mark.parametrize(
    "line",
    ["9,3000,1.0", "9,3000,1.0,", "9,3000,1.0,3,4", "9,3000,1.0,-3", "9,3000,1.0,3.5", ",,,",
     "null", "9,3000,1.0,nan", "x,3000,1.0,3", "9,-1,1.0,3", "9,inf,1.0,3", "9,3000,nan,3",
     "1_0,3000,1.0,3", "9,3000,1.0,1_000", "9,3000,1.0,٣", "9,3000,1.0,99999999999999999999",
     '"9,3000,1.0,3',
     "\0\0\0\0", "9,3000,1.0,30\0\0", "\0\0,3000,1.0,1000", "\xff", "q" * 200_000,
     f'{HEADER}"', '#{"t_sta'],
)  # fmt: skip
def test_a_line_that_is_no_row_is_left_out_and_counted(tmp_path, line):
    path = tmp_path / "monitor.csv"
    lines = [HEADER, "r,l,t,step", *ROWS[:2], line, *ROWS[2:], ""]
    path.write_text("\n".join(lines), encoding="latin1" if line == "\xff" else "utf8")
    episodes = read_episodes(path)
    assert (episodes.steps.tolist(), episodes.damaged) == ([900, 1800, 3000, 3000, 44000], 1)
    with pytest.warns(UserWarning, match="monitor.csv: 1 damaged lines were dropped"):
        truncate_episodes(path, "Pong", 44000)
    assert in_(path) == (json.loads(HEADER[1:]), ROWS)


def test_what_nothing_can_be_computed_from_is_refused_by_name(tmp_path):
    path = tmp_path / "monitor.csv"
    for rows, message in (
        (["1,2,3,900", "1,2,3,800"], "monitor.csv: the games' steps go backwards"),
        (["nan,2,3,900"], "monitor.csv: a game's return is not a finite number"),
        (["what", "is this"], "monitor.csv is damaged: none of its lines is a row of r,l,t,step"),
    ):
        path.write_text("\n".join([HEADER, "r,l,t,step", *rows, ""]))
        with pytest.raises(InputError, match=message):
            read_episodes(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="monitor.csv cannot be read"):
        read_monitor(path)


def test_steps_that_go_backwards_do_not_stop_a_resume(tmp_path):
    path = tmp_path / "monitor.csv"
    path.write_text("\n".join([HEADER, "r,l,t,step", *ROWS[:2], "9,3000,1.0,3", *ROWS[2:], ""]))
    truncate_episodes(path, "Pong", 1800)
    assert in_(path)[1] == [*ROWS[:2], "9,3000,1.0,3"]


def test_a_file_that_is_gone_is_begun_anew(tmp_path):
    path = tmp_path / "monitor.csv"
    assert read_episodes(path).steps.tolist() == []
    truncate_episodes(path, "Pong", 3000)
    assert in_(path)[1] == []
    begin_episodes(path, "Breakout")
    header, rows = in_(path)
    assert (header["env_id"], rows) == ("Breakout", [])


def test_rewriting_is_one_step(tmp_path, monkeypatch):
    path = tmp_path / "monitor.csv"
    path.write_bytes(WHOLE)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        LogEpisodes(path, "Pong", 900)
    assert path.read_bytes() == WHOLE


def test_what_sb3_itself_writes_is_read(tmp_path):
    from stable_baselines3.common.monitor import ResultsWriter

    path = tmp_path / "0.monitor.csv"
    writer = ResultsWriter(
        str(path), header={"t_start": 5.0, "env_id": "Pong"}, extra_keys=("won", "note")
    )
    writer.write_row({"r": -3.5, "l": 40, "t": 1.25, "won": True, "note": 'a, "b"'})
    writer.close()
    monitor = read_monitor(path)
    assert monitor.header == {"t_start": 5.0, "env_id": "Pong"}
    [game] = monitor.rows
    assert (game.raw_return, game.length, game.seconds, game.step) == (-3.5, 40, 1.25, None)
    assert monitor.damaged == 0
