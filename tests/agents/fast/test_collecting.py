"""A rollout in stable-baselines3's order, and what is left out where nobody can notice."""

import networks
import numpy as np
import pytest
import stable_baselines3
import torch
import worlds
from images_env import make_blinking
from programmes import OURS, STOCK
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    EveryNTimesteps,
)
from stable_baselines3.common.vec_env import DummyVecEnv

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.fast.collecting import Collector
from rl_coordconv.agents.fast.pipelining import may_pipeline
from rl_coordconv.agents.fast.watching import only_watches
from rl_coordconv.envs import AtariVecEnv
from rl_coordconv.envs.alternating import AlternatingVecEnv
from rl_coordconv.extractors import extractor_policy_kwargs


def build(cls, env, **options):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    if cls is A2C:
        options["n_steps"] = 5
    return cls("CnnPolicy", env, policy_kwargs=kwargs, seed=0, device="cpu", **options)


class Watching(BaseCallback):
    only_watches = True

    def _on_step(self):
        return True


class Doing(Watching):
    """Does not say for itself what its parent says."""


WATCHERS = {
    "none": (lambda: ConvertCallback(None), True),
    "a function": (lambda: ConvertCallback(lambda *_: True), False),
    "ours": (Watching, True),
    "derived": (Doing, False),
    "unknown": (BaseCallback, False),
    "checkpoints": (lambda: CheckpointCallback(10, "."), True),
    "evaluation": (lambda: EvalCallback(make_blinking(1)), False),
    "all watch": (lambda: CallbackList([Watching(), CheckpointCallback(10, ".")]), True),
    "one acts": (lambda: CallbackList([Watching(), Doing()]), False),
    "now and then": (lambda: EveryNTimesteps(5, Watching()), True),
    "now and then, acting": (lambda: EveryNTimesteps(5, Doing()), False),
}


@pytest.mark.parametrize(("make", "want"), WATCHERS.values(), ids=WATCHERS)
def test_which_callbacks_only_watch(make, want):
    if make is BaseCallback:
        make = type("Unknown", (BaseCallback,), {"_on_step": lambda self: True})
    assert only_watches(make()) is want


def test_a_patched_watcher_is_no_watcher():
    callback = Watching()
    callback._on_step = lambda: True
    assert not only_watches(callback)


class Sub(AlternatingVecEnv):
    def step_wait(self):
        observations, *rest = super().step_wait()
        return (observations // 2, *rest)


def grouped(cls=AlternatingVecEnv):
    return cls([worlds.dummy(worlds.CHANNELS_FIRST, 1) for _ in range(2)])


@pytest.mark.parametrize(
    ("env", "callback", "want"),
    [(grouped, Watching, True), (grouped, Doing, False), (lambda: grouped(Sub), Watching, False),
     (lambda: worlds.Negative(grouped()), Watching, False), (make_blinking, Watching, False)],
    ids=["groups", "acting", "subclass", "wrapped", "no groups"],
)  # fmt: skip
def test_groups_are_played_in_turn_only_where_nobody_can_notice(env, callback, want):
    model = build(A2C, env())
    assert may_pipeline(Collector(model, model.env, model.rollout_buffer, callback())) is want


def test_actions_come_to_the_host_once_a_step(monkeypatch):
    model = build(A2C, DummyVecEnv([lambda: worlds.Images((4, 36, 40), truncates=False)] * 2))
    original, calls = torch.Tensor.cpu, []
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self, *a: calls.append(1) or original(self, *a))
    monkeypatch.setattr(A2C, "train", lambda self: None)
    model.learn(10)
    assert len(calls) == 5


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.float64], ids=str)
def test_rewards_of_any_type_hold_the_value_of_what_a_time_limit_cut_off(dtype):
    """As with float rewards; stable-baselines3 rounds whole numbers' share off to nothing."""
    rewards = []
    for env in (make_blinking(), worlds.OtherRewards(make_blinking(), dtype)):
        model = build(PPO, env, n_steps=16, batch_size=16, n_epochs=1)
        model.learn(64)
        rewards.append(model.rollout_buffer.rewards)
    np.testing.assert_allclose(rewards[1], rewards[0], rtol=1e-6)
    assert (rewards[0] != np.round(rewards[0])).any()


def test_the_rewards_that_a_callback_keeps_are_those_it_was_shown():
    class Keeping(BaseCallback):
        def __init__(self):
            super().__init__()
            self.kept = []

        def _on_step(self):
            self.kept.append((self.locals["rewards"], self.locals["rewards"].copy()))
            return True

    callback = Keeping()
    env = worlds.OtherRewards(make_blinking(), np.int64)
    build(A2C, env).learn(40, callback=callback)
    assert all(shown.dtype == np.int64 for shown, _ in callback.kept)
    assert all(np.array_equal(now, then) for now, then in callback.kept)


@pytest.mark.parametrize(
    ("actions", "message"),
    [([0, 3], "action 3 of environment 1 is not between 0 and 2"),
     ([-1, 0], "action -1 of environment 0 is not between 0 and 2"),
     ([0.0, 1.0], "actions are float64, not integers"),
     ([0, 1, 2], "3 actions for 2 environments")],
)  # fmt: skip
def test_an_action_that_is_not_allowed_reaches_no_group(actions, message):
    env = grouped()
    env.reset()
    sent = []
    for group in env.groups:
        group.step_async = sent.append
    with pytest.raises(InputError, match=message):
        env.step_async(np.array(actions))
    assert sent == []


def test_the_training_environment_may_be_played_in_between():
    """What is stored is what the environment has returned, and no mixture of before and after."""
    models = []
    for cls in (A2C, stable_baselines3.A2C):
        env = AtariVecEnv("Breakout", 2, num_threads=1)
        model = build(cls, env) if cls is A2C else stable_baselines3.A2C(
            "CnnPolicy", env, policy_kwargs=extractor_policy_kwargs("coordconv", features_dim=16),
            seed=0, device="cpu", n_steps=5)  # fmt: skip
        model.learn(10)
        observations = env.reset()
        for _ in range(30):
            observations = env.step(model.predict(observations, deterministic=True)[0])[0]
        model.learn(10, reset_num_timesteps=False)
        models.append(model)
    mine, stock = (model.rollout_buffer.observations for model in models)
    np.testing.assert_array_equal(mine, stock)


class Looking(networks.Small):
    """An extractor that sees how its images lie in memory, and tolerates any layout."""

    seen: list = []  # noqa: RUF012

    def forward(self, observations):
        self.seen.append((tuple(observations.shape), observations.stride()))
        maps = torch.relu(self.conv(observations))
        return torch.relu(self.last(maps.flatten(1)))


@pytest.mark.parametrize("world", ["channels first", "channels last", "one channel"])
@pytest.mark.parametrize("name", ["a2c", "ppo"])
def test_an_unknown_extractor_sees_its_images_in_the_layout_that_sb3_shows_it(name, world):
    seen = []
    for classes in (STOCK, OURS):
        options = {"n_steps": 4} | ({"batch_size": 8} if name == "ppo" else {})
        kwargs = {"features_extractor_class": Looking, "net_arch": []}
        model = classes[name]("CnnPolicy", worlds.WORLDS[world](), policy_kwargs=kwargs, seed=0,
                              device="cpu", **options)  # fmt: skip
        Looking.seen = []
        model.learn(16)
        seen.append(Looking.seen)
    assert model.slow_reason is None
    assert len(seen[0]) > 8
    assert seen[1] == seen[0]
