"""A small preset, so that a whole training takes seconds."""

from pathlib import Path

import pytest
import yaml

from rl_coordconv.presets import preset_path


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
