"""Atomic writing that a power cut cannot undo by halves, and reading what may be damaged."""

import errno
import os
from pathlib import Path

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import replace, replace_all, sync_directory, write_json, write_text
from rl_coordconv._util.reading import read_bytes, read_json, read_mapping


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


def test_content_reaches_the_disk_before_its_name_and_its_name_before_we_go_on(tmp_path, disk):
    write_text(tmp_path / "a.txt", "new")
    temporary = disk[0][1]
    assert temporary.startswith(".a.txt.")
    assert disk == [("sync", temporary), ("rename", "a.txt"), ("sync", tmp_path.name)]


def test_a_directory_goes_with_all_that_is_in_it(tmp_path, disk):
    (tmp_path / "new" / "inner").mkdir(parents=True)
    for name in ("a", "inner/b"):
        (tmp_path / "new" / name).write_text(name)
    replace(tmp_path / "new", tmp_path / "final")
    assert disk == [("sync", "a"), ("sync", "b"), ("sync", "inner"), ("sync", "new"),
                    ("rename", "final"), ("sync", tmp_path.name)]  # fmt: skip
    assert (tmp_path / "final" / "inner" / "b").read_text() == "inner/b"


def test_several_wait_for_their_folder_once(tmp_path, disk):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    replace_all((tmp_path / name, tmp_path / f"new {name}") for name in ("a", "b"))
    assert disk == [("sync", "a"), ("sync", "b"), ("rename", "new a"), ("rename", "new b"),
                    ("sync", tmp_path.name)]  # fmt: skip


def test_a_system_that_cannot_flush_directories_is_put_up_with(tmp_path, monkeypatch):
    """Windows opens none; some network file systems refuse to flush them."""

    def refuse(number):
        def fail(*_):
            raise OSError(number, os.strerror(number))

        return fail

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse(errno.EACCES))
        sync_directory(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse(errno.EINVAL))
        sync_directory(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        sync_directory(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.json is damaged: empty"),
        (b'{"a": ', "a.json is damaged: no JSON"),
        (b"\0" * 512, "a.json is damaged: no JSON"),
        (b'{"a": "\xff"}', "a.json is damaged: no JSON"),
        (b"[" * 100_000, "a.json is damaged: no JSON"),
        (b"9" * 5000, "a.json is damaged: no JSON"),
        (b"[1]", "a.json is damaged: it holds .1. rather than an object"),
        (b"null", "a.json is damaged: it holds None rather than an object"),
    ],
)
def test_damaged_json_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_mapping(tmp_path / "a.json")


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere cannot be read: No such file"):
        read_bytes(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read: it is a directory"):
        read_json(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_what_is_refused_is_not_left_open(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for path, kind in ((tmp_path, "it is a directory"), (tmp_path / "pipe", "it is a pipe")):
        with pytest.raises(InputError, match=kind):
            read_bytes(path)
    assert len(os.listdir("/proc/self/fd")) == before
