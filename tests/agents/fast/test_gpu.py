"""The fast agents on a GPU: python -m pytest -m gpu tests/agents."""

import copy
import warnings

import numpy as np
import pytest
import stable_baselines3
import torch
from images_env import make_blinking
from torch.nn.utils import parameters_to_vector

from rl_coordconv.agents import A2C, PPO
from rl_coordconv.envs import AtariVecEnv
from rl_coordconv.envs.alternating import AlternatingVecEnv
from rl_coordconv.extractors import extractor_policy_kwargs

pytestmark = pytest.mark.gpu

SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 16, "batch_size": 32, "n_epochs": 2}}
STOCK = {A2C: stable_baselines3.A2C, PPO: stable_baselines3.PPO}


def build(cls, env=None, precision="fp32", **options):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=32)
    return cls("CnnPolicy", env or make_blinking(), policy_kwargs=kwargs, seed=0, device="cuda",
               precision=precision, **SMALL[cls] | options)  # fmt: skip


def weights(model):
    return parameters_to_vector(model.policy.parameters()).detach()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_graphs_train_what_eager_code_trains(cls, precision):
    plain, recorded = (build(cls, precision=precision, cuda_graphs=flag) for flag in (False, True))
    results = []
    for model in (plain, recorded):
        before = weights(model)
        torch.manual_seed(0)
        np.random.seed(0)
        model.learn(4 * model.n_steps)
        results.append(weights(model) - before)
    assert torch.cosine_similarity(*results, dim=0) > 0.99


@pytest.fixture
def exact_convolutions():
    """By default cuDNN convolves float32 in TF32, with 10 bits."""
    with torch.backends.cudnn.flags(allow_tf32=False, enabled=True):
        yield


@pytest.mark.usefixtures("exact_convolutions")
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_one_update_equals_sb3s(cls):
    mine = build(cls)
    mine.learn(4 * mine.n_steps)
    kwargs = extractor_policy_kwargs("coordconv", features_dim=32)
    stock = STOCK[cls]("CnnPolicy", make_blinking(), policy_kwargs=kwargs, device="cuda",
                       **SMALL[cls])  # fmt: skip
    stock.learn(1)
    # A copy: a state that both optimisers shared would be moved twice.
    stock.set_parameters(copy.deepcopy(mine.get_parameters()))
    stock.rollout_buffer = mine.rollout_buffer
    before = weights(mine)
    for model in (mine, stock):
        np.random.seed(11)
        model.train()
    assert (weights(mine) - weights(stock)).norm() < 1e-2 * (weights(stock) - before).norm()


def test_two_replays_sample_differently():
    model = build(PPO, cuda_graphs=True)
    model.learn(64)
    assert len(np.unique(model.rollout_buffer.actions.reshape(16, 4), axis=0)) > 4


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_an_update_waits_for_the_gpu_only_to_log(cuda_graphs, monkeypatch):
    model = build(PPO, cuda_graphs=cuda_graphs)
    model.learn(128)
    log = model._log

    def may_wait(*arguments):
        torch.cuda.set_sync_debug_mode("default")
        log(*arguments)

    monkeypatch.setattr(model, "_log", may_wait)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that this mode is a prototype
            torch.cuda.set_sync_debug_mode("error")
        model.train()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_groups_and_frames_on_a_gpu_train_the_same_twice():
    results = []
    for _ in range(2):
        env = AlternatingVecEnv([AtariVecEnv("Breakout", 4, num_threads=2) for _ in range(2)])
        model = build(A2C, env, cuda_graphs=True)
        model.learn(800)
        results.append(model.rollout_buffer.actions.copy())
        whole_stacks = model.rollout_buffer.observations
        assert whole_stacks.max() > 0
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("cls", [A2C, PPO])
def test_what_is_saved_loads_in_plain_sb3_without_a_gpu(cls, tmp_path):
    model = build(cls, precision="bf16", cuda_graphs=True)
    model.learn(64)
    model.save(tmp_path / "model.zip")
    loaded = STOCK[cls].load(tmp_path / "model.zip", env=make_blinking(), device="cpu")
    for mine, theirs in zip(model.policy.parameters(), loaded.policy.parameters(), strict=True):
        assert torch.equal(mine.cpu(), theirs)
    loaded.learn(64)


@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_a_model_goes_on_from_saved_parameters(cls, cuda_graphs, tmp_path):
    """Adam's counters are loaded to the CPU, where a fused kernel does not find them."""
    model = build(cls, cuda_graphs=cuda_graphs)
    model.learn(64)
    model.save(tmp_path / "model.zip")
    loaded = cls.load(tmp_path / "model.zip", env=make_blinking(), device="cuda")
    before = weights(loaded).clone()
    loaded.learn(64)
    assert (weights(loaded) - before).abs().max() > 0
    model.set_parameters(copy.deepcopy(model.get_parameters()))
    model.learn(64)
