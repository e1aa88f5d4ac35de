"""Playing at random, for the tests of this folder."""

import numpy as np


def random_actions(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, env.action_space.n, (steps, env.num_envs))


def play(env, actions):
    """Return everything the environment says to a sequence of actions."""
    first = env.reset()
    return first, [env.step(row) for row in actions]
