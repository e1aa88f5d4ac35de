"""What tests of several folders share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def logs(tmp_path_factory):
    """stable-baselines3 makes a folder in the system's own for every training that names none."""
    before = os.environ.get("SB3_LOGDIR")
    os.environ["SB3_LOGDIR"] = str(tmp_path_factory.mktemp("sb3"))
    yield
    os.environ.pop("SB3_LOGDIR")
    if before is not None:
        os.environ["SB3_LOGDIR"] = before


@pytest.fixture
def disk(monkeypatch):
    """Return the list of what is flushed to the disk and renamed, in order, as it comes about.

    Each is ("sync" or "rename", the file's or folder's name; of a rename the new one).
    """
    if not Path("/proc/self/fd").exists():
        pytest.skip("looks into /proc")
    events = []
    fsync, rename = os.fsync, os.replace

    def record_sync(handle):
        events.append(("sync", Path(os.readlink(f"/proc/self/fd/{handle}")).name))
        fsync(handle)

    def record_rename(source, target, **options):
        events.append(("rename", Path(target).name))
        rename(source, target, **options)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_rename)
    return events
