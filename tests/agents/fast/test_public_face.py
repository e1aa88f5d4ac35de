"""What users of stable-baselines3 rely on works with the fast agents, and what they cannot do."""

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from images_env import Blinking, make_blinking
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.policies import ActorCriticCnnPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from rl_coordconv.agents import A2C, PPO
from rl_coordconv.envs import AtariVecEnv
from rl_coordconv.extractors import CoordConvCnnPolicy, extractor_policy_kwargs

STOCK = {A2C: stable_baselines3.A2C, PPO: stable_baselines3.PPO}
SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 8, "batch_size": 16, "n_epochs": 1}}


def build(cls, env, policy="CnnPolicy", **options):
    if policy == "CnnPolicy":
        options.setdefault("policy_kwargs", extractor_policy_kwargs("coordconv", features_dim=16))
    return cls(policy, env, device="cpu", seed=0, **SMALL[cls] | options)


class Remembering(BaseCallback):
    def __init__(self, stop_after=None):
        super().__init__()
        self.stop_after, self.seen, self.calls = stop_after, [], []

    def _on_rollout_start(self):
        self.calls.append("start")

    def _on_rollout_end(self):
        self.calls.append("end")

    def _on_step(self):
        self.seen.append(dict(self.locals))
        return self.n_calls != self.stop_after


@pytest.mark.parametrize("cls", [A2C, PPO])
def test_callbacks_find_what_sb3_gives_them(cls):
    callbacks = []
    for algorithm in (cls, STOCK[cls]):
        callback = Remembering()
        model = build_for(algorithm, cls)
        model.learn(2 * 4 * model.n_steps, callback=callback)
        callbacks.append(callback)
    mine, stock = callbacks
    assert mine.calls == stock.calls == ["start", "end"] * 2
    assert len(mine.seen) == len(stock.seen)
    first, wanted = mine.seen[0], stock.seen[0]
    assert set(wanted) - set(first) <= {"idx", "done", "terminal_obs", "terminal_value"}
    for name in ("actions", "clipped_actions", "rewards", "dones", "new_obs", "values",
                 "log_probs", "obs_tensor"):  # fmt: skip
        assert np.asarray(first[name]).shape == np.asarray(wanted[name]).shape, name
        np.testing.assert_allclose(np.asarray(first[name]), np.asarray(wanted[name]), rtol=1e-4,
                                   atol=1e-5, err_msg=name)  # fmt: skip
    assert first["n_rollout_steps"] == wanted["n_rollout_steps"]
    assert first["env"] is not None


def build_for(algorithm, cls):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    options = SMALL[cls] | ({"precision": "fp32"} if algorithm is cls else {})
    return algorithm("CnnPolicy", make_blinking(), device="cpu", seed=0, policy_kwargs=kwargs,
                     **options)  # fmt: skip


def test_a_callback_can_end_the_training():
    callback = Remembering(stop_after=3)
    model = build(PPO, make_blinking())
    model.learn(1000, callback=callback)
    assert model.num_timesteps == 12
    model.learn(64, reset_num_timesteps=False)
    assert model.num_timesteps >= 76


def test_evaluation_prediction_and_another_environment(tmp_path):
    model = build(A2C, make_blinking())
    evaluation = EvalCallback(make_blinking(2), eval_freq=10, n_eval_episodes=3,
                              log_path=str(tmp_path), verbose=0)  # fmt: skip
    model.learn(100, callback=evaluation)
    assert len(np.load(tmp_path / "evaluations.npz")["results"]) == 2
    mean, _ = evaluate_policy(model, make_blinking(2), n_eval_episodes=3)
    assert np.isfinite(mean)
    actions, state = model.predict(make_blinking().reset(), deterministic=True)
    assert actions.shape == (4,)
    assert state is None
    model.set_env(make_blinking(seed=99))
    model.learn(40)
    assert model.slow_reason is None


@pytest.mark.parametrize("cls", [A2C, PPO])
def test_a_saved_model_goes_both_ways(cls, tmp_path):
    model = build(cls, make_blinking(), precision="fp32")
    model.learn(64)
    model.save(tmp_path / "fast.zip")
    observations = make_blinking().reset()

    stock = STOCK[cls].load(tmp_path / "fast.zip", env=make_blinking(), device="cpu")
    assert type(stock) is STOCK[cls]
    assert type(stock.rollout_buffer) is RolloutBuffer
    assert not any(group["fused"] for group in stock.policy.optimizer.param_groups
                   if "fused" in group)  # fmt: skip
    stock.learn(64)
    stock.save(tmp_path / "stock.zip")

    again = cls.load(tmp_path / "stock.zip", env=make_blinking(), device="cpu")
    assert type(again) is cls
    assert again.slow_reason is None
    np.testing.assert_array_equal(again.predict(observations, deterministic=True)[0],
                                  stock.predict(observations, deterministic=True)[0])  # fmt: skip
    for mine, theirs in zip(again.policy.parameters(), stock.policy.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    again.learn(64)


def test_a_file_holds_nothing_of_ours_but_a_word(tmp_path):
    import json
    import zipfile

    model = build(PPO, make_blinking(), precision="fp32")
    plain = build_for(stable_baselines3.PPO, PPO)
    keys = []
    for number, one in enumerate((model, plain)):
        one.learn(32)
        one.save(tmp_path / f"{number}.zip")
        with zipfile.ZipFile(tmp_path / f"{number}.zip") as archive:
            keys.append(json.loads(archive.read("data")))
    assert set(keys[0]) - set(keys[1]) == {"precision"}
    assert keys[0]["precision"] == "fp32"


class Odd(gym.Env):
    """Any spaces."""

    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 1.0, False, False, {}


IMAGE = spaces.Box(0, 255, (4, 36, 36), np.uint8)


def odd(observations=IMAGE, actions=spaces.Discrete(3)):  # noqa: B008
    return make_vec_env(lambda: Odd(observations, actions), n_envs=2)


class OwnPolicy(ActorCriticCnnPolicy):
    def forward(self, obs, deterministic=False):
        return super().forward(obs, deterministic)


class OwnBuffer(RolloutBuffer):
    """Somebody's own."""


UNUSUAL = {
    "vectors": (lambda: odd(spaces.Box(-1, 1, (5,))), "MlpPolicy", {}, "Box, not images"),
    "dictionary": (lambda: odd(spaces.Dict({"a": IMAGE})), "MultiInputPolicy", {}, "are Dict"),
    "continuous": (lambda: odd(actions=spaces.Box(-1, 1, (2,))), "CnnPolicy", {}, "actions are"),
    "exploration": (lambda: odd(actions=spaces.Box(-1, 1, (2,))), "CnnPolicy", {"use_sde": True},
                    "actions are Box"),
    "several actions": (lambda: odd(actions=spaces.MultiDiscrete([2, 3])), "CnnPolicy", {},
                        "MultiDiscrete"),
    "float images": (lambda: odd(spaces.Box(0, 1, (4, 36, 36))), "CnnPolicy",
                     {"policy_kwargs": {"normalize_images": False}}, "images are float32"),
    "VecNormalize": (lambda: VecNormalize(odd(), norm_obs=False), "CnnPolicy", {}, "VecNormalize"),
    "own policy": (odd, OwnPolicy, {}, r"has its own forward\(\)"),
    "own buffer": (odd, "CnnPolicy", {"rollout_buffer_class": OwnBuffer}, "OwnBuffer"),
}  # fmt: skip


@pytest.mark.parametrize("cls", [A2C, PPO])
@pytest.mark.parametrize(("env", "policy", "options", "reason"), UNUSUAL.values(), ids=UNUSUAL)
def test_the_unusual_goes_sb3s_own_way_and_says_why(cls, env, policy, options, reason):
    import re

    model = cls(policy, env(), device="cpu", **SMALL[cls] | options)
    assert re.search(reason, model.slow_reason)
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(32)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(),
                                                     strict=True))  # fmt: skip
    assert model.chosen_precision.name == "fp32"
    assert model.slow_reason in model.chosen_precision.reason


def test_a_hook_on_the_policy_is_heard():
    model = build(PPO, make_blinking())
    model.learn(32)
    heard = []
    model.policy.register_forward_hook(lambda *_: heard.append(1))
    model.learn(32)
    assert model.slow_reason == "the policy or a module in it has hooks"
    assert len(heard) == 8


@pytest.mark.parametrize(
    "env",
    [lambda: VecMonitor(DummyVecEnv([Blinking] * 2)), lambda: make_vec_env(Blinking, n_envs=2),
     lambda: AtariVecEnv("Breakout", 2)],
    ids=["wrapped", "DummyVecEnv", "AtariVecEnv"],
)  # fmt: skip
def test_any_vector_environment_of_images_is_fast(env):
    model = build(A2C, env())
    model.learn(40)
    assert model.slow_reason is None
    assert model.num_timesteps == 40


def test_our_policy_class_is_fast():
    model = A2C(CoordConvCnnPolicy, make_blinking(), device="cpu", n_steps=5)
    model.learn(40)
    assert model.slow_reason is None


def test_weights_that_are_no_numbers_stop_the_training_before_anything_is_learnt_from_them():
    model = build(PPO, make_blinking())
    model.learn(32)
    with torch.no_grad():
        model.policy.value_net.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN or infinite: the training has diverged"):
        model.learn(32)
