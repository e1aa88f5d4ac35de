"""Atomic writing."""

import os

import pytest

from rl_coordconv.files import read_json, write_json, write_text


def test_text_and_json_come_back(tmp_path):
    write_text(tmp_path / "a.txt", "grüße\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf8") == "grüße\n"
    write_json(tmp_path / "a.json", {"b": [1, None, 0.5]})
    assert read_json(tmp_path / "a.json") == {"b": [1, None, 0.5]}


def test_a_failed_write_keeps_the_old_content_and_leaves_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_text(path, "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_json_refuses_what_json_cannot_hold(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, {"x": float("nan")})
    assert not path.exists()
