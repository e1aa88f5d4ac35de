"""Environments that are closed after the test, and play at random."""

import pytest

from rl_coordconv.envs import AtariVecEnv


@pytest.fixture
def make():
    """Build environments and close them."""
    made = []

    def build(game="Breakout", n_envs=2, **options):
        made.append(AtariVecEnv(game, n_envs, **({"seed": 0} | options)))
        return made[-1]

    yield build
    for env in made:
        env.close()
