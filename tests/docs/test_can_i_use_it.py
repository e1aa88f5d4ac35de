"""The tables of "Can I use it?" say what the fast agents say of themselves."""

import re

import gymnasium
import numpy as np
import pytest
from documents import read
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rl_coordconv import extractor_policy_kwargs
from rl_coordconv.agents import PPO

IMAGE = spaces.Box(0, 255, (36, 36, 3), np.uint8)
OBSERVATIONS = {
    "`Box`, uint8": IMAGE,
    "`Box` of floats": spaces.Box(0, 1, (3, 36, 36), np.float32),
    "`Dict`": spaces.Dict({"image": IMAGE, "speed": spaces.Box(-1, 1, (2,), np.float32)}),
    "anything under `VecNormalize`": IMAGE,
}
ACTIONS = {
    "`Discrete`": spaces.Discrete(3),
    "`MultiDiscrete`": spaces.MultiDiscrete([2, 3]),
    "`MultiBinary`": spaces.MultiBinary(2),
    "`Box`": spaces.Box(-1, 1, (2,), np.float32),
}


class Some(gymnasium.Env):
    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def rows(title):
    """Return a table's rows: the first cell, and the code in the last."""
    section = read("docs/can-i-use-it.md").partition(f"## {title}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return {row[0]: re.findall(r"`(.*?)`", row[-1]) for row in cells[2:]}


def slow_reason(observations, actions, normalize=False):
    env = DummyVecEnv([lambda: Some(observations, actions)])
    env = VecNormalize(env, norm_obs=False) if normalize else env
    kwargs = extractor_policy_kwargs("coordconv", observation_space=observations, features_dim=8)
    if isinstance(observations, spaces.Box) and observations.dtype == np.float32:
        kwargs["normalize_images"] = False
    policy = "MultiInputPolicy" if isinstance(observations, spaces.Dict) else "CnnPolicy"
    return PPO(policy, env, n_steps=8, batch_size=8, policy_kwargs=kwargs, device="cpu").slow_reason


def stated(title, start):
    (found,) = [code for first, code in rows(title).items() if first.startswith(start)]
    return found


@pytest.mark.parametrize("start", OBSERVATIONS)
def test_observations(start):
    reason = slow_reason(OBSERVATIONS[start], ACTIONS["`Discrete`"], "VecNormalize" in start)
    assert stated("Observations", start) == [str(reason)]


@pytest.mark.parametrize("start", ACTIONS)
def test_actions(start):
    assert stated("Actions", start) == [str(slow_reason(IMAGE, ACTIONS[start]))]


def test_every_kind_of_action_has_its_row():
    from rl_coordconv.envs.gymnasium_envs import ACTIONS as KINDS

    assert set(rows("Actions")) == {f"`{kind.__name__}`" for kind in KINDS}


def test_sizes_are_the_extractors():
    from rl_coordconv.extractors import impala, nature

    page = read("docs/can-i-use-it.md")
    assert f"need at least {nature.SMALLEST_SIDE} x {nature.SMALLEST_SIDE} pixels" in page
    assert f"`impala-coordconv` {impala.SMALLEST_SIDE} x {impala.SMALLEST_SIDE}." in page
