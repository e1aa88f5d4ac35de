"""What tests of several folders share."""

import os
from pathlib import Path

import pytest
import yaml

from rl_coordconv._util.presets import preset_path


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


@pytest.fixture(scope="session")
def small_ppo(tmp_path_factory) -> str:
    """Path of a PPO preset with rollouts of 32 steps."""
    return _write(tmp_path_factory, "ppo", n_envs=2, n_steps=16, batch_size=16, n_epochs=1)


@pytest.fixture(scope="session")
def small_a2c(tmp_path_factory) -> str:
    """Path of an A2C preset with rollouts of 20 steps."""
    return _write(tmp_path_factory, "a2c", n_envs=4, n_steps=5)


@pytest.fixture(scope="session")
def talkative_a2c(tmp_path_factory) -> str:
    """Path of an A2C preset with rollouts of 4 steps: SB3 logs a row every 100 rollouts."""
    return _write(tmp_path_factory, "a2c", n_envs=2, n_steps=2)


def _write(factory, name: str, **changes: int) -> str:
    data = yaml.safe_load(preset_path("agents", "agent", name).read_text()) | changes
    path: Path = factory.mktemp("presets") / f"small-{name}.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)
