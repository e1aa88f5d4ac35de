"""The fast A2C and PPO are stable-baselines3's: same losses, updates, actions and logs."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import stable_baselines3
import torch
from images_env import make_blinking
from stable_baselines3.common.callbacks import BaseCallback
from torch.nn.utils import parameters_to_vector

from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.envs import AtariVecEnv
from rl_coordconv.extractors import extractor_policy_kwargs

PAIRS = {"a2c": (A2C, stable_baselines3.A2C), "ppo": (PPO, stable_baselines3.PPO)}
OPTIONS = {
    "a2c": {"n_steps": 5, "ent_coef": 0.01, "vf_coef": 0.25},
    "ppo": {"n_steps": 16, "batch_size": 24, "n_epochs": 2, "ent_coef": 0.01, "clip_range": 0.1},
}


SCALED = ("coordconv", {"coordinate_scale": "kernel"})


def build(cls, name, env, extractor=("coordconv", {}), shared=True, **options):
    policy_kwargs = extractor_policy_kwargs(extractor[0], features_dim=32, **extractor[1])
    policy_kwargs["share_features_extractor"] = shared
    if cls in (A2C, PPO):
        options["precision"] = "fp32"
    return cls("CnnPolicy", env, policy_kwargs=policy_kwargs, seed=5, device="cpu",
               **OPTIONS[name] | options)  # fmt: skip


def weights(model):
    return parameters_to_vector(model.policy.parameters()).detach()


def trained_pair(name, steps, **options):
    """Train ours, then SB3's: each takes up the generators from its own seed."""
    models = []
    for cls in PAIRS[name]:
        models.append(build(cls, name, make_blinking(), **options))
        models[-1].learn(steps)
    return models


def logged(model):
    return {name: value for name, value in model.logger.name_to_value.items()
            if name.startswith("train/")}  # fmt: skip


def compute_in_float64(model):
    """In float32 rounding turns units near zero on or off, and the weights behind them differ."""
    model.policy.double()
    if type(model) in (A2C, PPO):
        model._chosen_precision = SimpleNamespace(dtype=torch.float64)
        return  # a hook would send it stable-baselines3's way
    for extractor in {model.policy.pi_features_extractor, model.policy.vf_features_extractor}:
        extractor.register_forward_pre_hook(lambda module, inputs: (exact(inputs[0]),))


def mean_square(given, wanted):
    return (given - wanted).square().mean()


def exact(scaled):
    """Undo stable-baselines3's division in float32, and divide in float64."""
    return (scaled * 255).round().double() / 255


# A PPO rollout of 64 steps in minibatches of 24 leaves a last one of 16, as in SB3.
@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "unshared"])
@pytest.mark.parametrize(
    "extractor",
    [
        ("cnn", {}),
        ("coordconv", {}),
        SCALED,
        ("impala-coordconv", {}),
        ("cnn", {"pooling": "mean"}),
        ("coordconv-all", {"pooling": "max"}),
        ("cnn", {"zero_mean": True}),
        ("placebo", {"zero_mean": True}),
        ("cnn-pool", {}),
        ("coordconv-pool", {"where": "last", "zero_mean": True}),
        ("placebo-pool", {"where": "all", "pooling": "mean"}),
        ("spatial-softmax", {}),
        ("coordconv-pool", {"where": "last", "pooling": "softmax"}),
        ("pool-embedding", {}),
        ("pool-sinusoids", {"pooling": "mean", "zero_mean": True}),
        ("impoola-coordconv", {"where": "last", "width": 1, "embedding": "learned"}),
    ],
    ids=[
        *("cnn", "coordconv", "scaled", "impala-coordconv", "mean", "max"),
        *("zero-mean", "zero-mean-placebo", "pool", "last", "placebo-all-mean", "softmax"),
        *("softmax-last", "embedding", "sinusoids", "impoola"),
    ],
)
@pytest.mark.parametrize("name", PAIRS)
def test_one_update_from_the_same_rollout_equals_sb3s(name, extractor, shared, monkeypatch):
    # In torch 2.8 it has no gradient for float32 returns beside float64 values.
    monkeypatch.setattr(torch.nn.functional, "mse_loss", mean_square)
    mine, stock = (build(cls, name, make_blinking(), extractor, shared) for cls in PAIRS[name])
    assert mine.slow_reason is None
    stock.learn(1)
    for model in (mine, stock):
        compute_in_float64(model)
    mine.learn(mine.n_envs * mine.n_steps)  # leaves a rollout with ends and time limits
    stock.set_parameters(copy.deepcopy(mine.get_parameters()))
    stock.rollout_buffer = mine.rollout_buffer
    before = weights(mine).clone()
    for model in (mine, stock):
        np.random.seed(11)
        model.train()
    moved = weights(stock) - before
    apart = weights(mine) - weights(stock)
    assert moved.abs().max() > 1e-4
    assert apart.abs().max() < 1e-10 * moved.abs().max()
    want = logged(stock)
    assert set(logged(mine)) == set(want)
    for key, value in logged(mine).items():
        assert value == pytest.approx(want[key], rel=1e-5, abs=1e-6), key


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "unshared"])
@pytest.mark.parametrize("name", PAIRS)
def test_a_whole_training_follows_sb3s(name, shared):
    """Same actions, so same games, ends, time limits and bootstrapped values."""
    mine, stock = trained_pair(name, 256 if name == "ppo" else 200, shared=shared)
    for name in ("episode_starts", "actions"):
        ours, theirs = (getattr(model.rollout_buffer, name) for model in (mine, stock))
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    rewards = stock.rollout_buffer.rewards
    np.testing.assert_allclose(mine.rollout_buffer.rewards, rewards, rtol=1e-4, atol=1e-5)
    # A cut-off episode's reward holds a discounted value, so it is no whole number.
    assert (rewards != np.round(rewards)).any()
    assert [e["r"] for e in mine.ep_info_buffer] == [e["r"] for e in stock.ep_info_buffer]
    assert (weights(mine) - weights(stock)).abs().max() < 2e-3
    assert mine.num_timesteps == stock.num_timesteps


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize(
    "options",
    [{"clip_range_vf": 0.05}, {"normalize_advantage": False}, {"target_kl": 1e-5}],
    ids=str,
)
def test_ppos_options_do_what_sb3s_do(options):
    mine, stock = trained_pair("ppo", 128, **options)
    assert mine._n_updates == stock._n_updates
    if "target_kl" in options:
        assert mine._n_updates < 4  # the limit was met
    assert (weights(mine) - weights(stock)).abs().max() < 1e-3
    for key, value in logged(stock).items():
        assert logged(mine)[key] == pytest.approx(value, rel=2e-2, abs=1e-4), key


class ChangesWeights(BaseCallback):
    """Shifts the policy's biases after every rollout, before it is learnt from."""

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        with torch.no_grad():
            for name, parameter in self.model.policy.named_parameters():
                if name.endswith("bias"):
                    parameter.add_(0.01)


def test_weights_changed_between_rollout_and_update_are_the_ones_learnt_from():
    models = []
    for cls in PAIRS["a2c"]:
        models.append(build(cls, "a2c", make_blinking()))
        models[-1].learn(60, callback=ChangesWeights())
    mine, stock = models
    assert (weights(mine) - weights(stock)).abs().max() < 1e-4


def test_a2c_learns_from_what_its_rollout_has_computed(monkeypatch):
    """It may not compute again, and what it may not know it does."""
    model = build(A2C, "a2c", make_blinking())
    cached = []
    original = DeviceRolloutBuffer.take_activations
    monkeypatch.setattr(DeviceRolloutBuffer, "take_activations",
                        lambda buffer: cached.append(original(buffer)) or cached[-1])  # fmt: skip
    model.learn(model.n_envs * model.n_steps)
    assert [len(part) for part in cached[0]] == [model.n_envs * model.n_steps] * 3
    model.train()  # once more from the same rollout, with other weights
    assert cached[1] is None


def test_lost_lives_end_episodes_as_in_sb3():
    models = []
    for cls in PAIRS["a2c"]:
        model = build(cls, "a2c", AtariVecEnv("Breakout", 4, num_threads=2), ("cnn", {}))
        model.learn(1200)
        models.append(model)
    mine, stock = models
    assert len(stock.ep_info_buffer) > 0
    assert [e["r"] for e in mine.ep_info_buffer] == [e["r"] for e in stock.ep_info_buffer]
    assert (weights(mine) - weights(stock)).abs().max() < 1e-4


@pytest.mark.parametrize("name", PAIRS)
def test_a_seed_trains_the_same_weights_for_any_number_of_emulator_threads(name):
    results = []
    for threads in (1, 2, 4):
        env = AtariVecEnv("Pong", 4, num_threads=threads)
        model = build(PAIRS[name][0], name, env, batch_size=32) if name == "ppo" else build(
            A2C, name, env)  # fmt: skip
        model.learn(128)
        results.append(weights(model))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("name", PAIRS)
def test_an_update_waits_for_the_device_once(name, monkeypatch):
    options = {"batch_size": 16} if name == "ppo" else {}
    model = build(PAIRS[name][0], name, make_blinking(), **options)
    model.learn(64)
    waits = []
    for method in ("item", "cpu", "numpy", "tolist", "__bool__", "__float__", "nonzero"):
        original = getattr(torch.Tensor, method)

        def counted(self, *args, original=original, method=method, **kwargs):
            waits.append(method)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, method, counted)
    model.train()
    # PPO moves a table to the host and reads it there; A2C reads a list.
    assert waits in (["cpu", "numpy"], ["tolist"])
