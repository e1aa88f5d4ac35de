"""What is captured and replayed on a GPU, run here through a recorder with a graph's rules."""

import numpy as np
import pytest
import torch
from images_env import make_blinking
from recorder import Recording, RefusedError, capture
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn
from torch.nn.utils import parameters_to_vector

from rl_coordconv.agents import A2C, PPO, on_policy
from rl_coordconv.agents.fast.graphs import Graphs
from rl_coordconv.extractors import CoordConvCNN, extractor_policy_kwargs
from rl_coordconv.layers.conv import ExtraChannelConv2d

SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 16, "batch_size": 24, "n_epochs": 2}}
ALL = {"act", "advantages", "gradients"}

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")


@pytest.fixture(autouse=True)
def recorder(monkeypatch):
    """Let the CPU have graphs, and layers compute as they do on a GPU, without a cache."""
    monkeypatch.setattr(on_policy, "make_graphs", lambda device: Graphs(capture))
    monkeypatch.setattr(ExtraChannelConv2d, "_may_cache", lambda *_: False)


def build(cls, *, cuda_graphs, extractor="coordconv", shared=True, **options):
    kwargs = extractor_policy_kwargs(extractor, features_dim=16)
    kwargs["share_features_extractor"] = shared
    return cls("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
               precision="fp32", cuda_graphs=cuda_graphs, **SMALL[cls] | options)  # fmt: skip


def weights(model):
    return parameters_to_vector(model.policy.parameters()).detach()


def names(model):
    return {key[0] for key in model._graphs._captured}


def train_both(cls, steps=128, callback=lambda: None, **options):
    """Train with graphs and without, and compare what comes of it."""
    models = []
    for cuda_graphs in (False, True):
        model = build(cls, cuda_graphs=cuda_graphs, **options)
        model.learn(steps, callback=callback())
        models.append(model)
    plain, recorded = models
    # Outputs are the same operations' results; the clipping alone is written another way.
    torch.testing.assert_close(weights(recorded), weights(plain), rtol=1e-5, atol=1e-6)
    for name, value in plain.logger.name_to_value.items():
        if name.startswith("train/"):
            assert recorded.logger.name_to_value[name] == pytest.approx(value, rel=1e-3, abs=1e-6)
    return recorded


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "unshared"])
@pytest.mark.parametrize(
    "extractor",
    [
        "cnn",
        "coordconv",
        "coordconv-all",
        "placebo",
        "impala",
        "impala-coordconv",
        "coordconv-pool",
        "spatial-softmax",
        "pool-embedding",
        "pool-sinusoids",
    ],
)
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_captured_it_trains_the_same_weights(cls, extractor, shared):
    """Also with a last, shorter minibatch."""
    small = {"n_steps": 5, "batch_size": 12} if cls is PPO else {}
    recorded = train_both(cls, 40, extractor=extractor, shared=shared, **small)
    assert names(recorded) == ALL


@pytest.mark.parametrize(
    "options",
    [{"clip_range_vf": 0.1}, {"target_kl": 1e-7}, {"normalize_advantage": False},
     {"learning_rate": lambda progress: 1e-3 * progress}, {"max_grad_norm": 0.01},
     {"clip_range": lambda progress: 0.2 * progress}],
    ids=["value clipping", "target KL", "advantages", "learning rate", "gradients", "clip range"],
)  # fmt: skip
def test_ppos_options_and_schedules_follow(options):
    recorded = train_both(PPO, **options)
    assert names(recorded) == ALL
    if "target_kl" in options:
        assert recorded._n_updates < 4  # the limit was met


class Changing(BaseCallback):
    """Changes something before every update; a graph would have it baked in."""

    def __init__(self, change):
        super().__init__()
        self.change, self.number = change, 0

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.number += 1
        self.change(self.model, self.number)


def set_gamma(model, number):
    model.gamma = model.rollout_buffer.gamma = 0.99 - 0.2 * number


def set_lambda(model, number):
    model.rollout_buffer.gae_lambda = 1.0 - 0.2 * number


def set_entropy(model, number):
    model.ent_coef = 0.5 * number


def set_norm(model, number):
    model.max_grad_norm = 0.5 / number


def freeze(model, number):
    model.policy.features_extractor.cnn[0].weight.requires_grad_(number % 2 == 0)


def zero_from_outside(model, number):
    for parameter in model.policy.parameters():
        parameter.grad = None


def replace_layer(model, number):
    old = model.policy.features_extractor.cnn[2]
    new = nn.Conv2d(32, 64, 4, 2)
    new.load_state_dict(old.state_dict())
    with torch.no_grad():
        new.bias.add_(0.1)
    model.policy.features_extractor.cnn[2] = new
    model.policy.optimizer = torch.optim.Adam(model.policy.parameters(), lr=1e-3)


def move_weights(model, number):
    for parameter in model.policy.parameters():
        parameter.data = parameter.data.clone() * 1.01


def hook(model, number):
    if number == 1:
        model.policy.action_net.weight.register_hook(lambda gradient: 3 * gradient)


def replace_activation(model, number):
    model.policy.features_extractor.cnn[1] = nn.Tanh() if number == 2 else nn.ReLU()


@pytest.mark.parametrize(
    "change",
    [set_gamma, set_lambda, set_entropy, set_norm, freeze, zero_from_outside, replace_layer,
     move_weights, hook, replace_activation],
)  # fmt: skip
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_what_changes_between_updates_is_not_baked_in(cls, change):
    train_both(cls, 60 if cls is A2C else 128, callback=lambda: Changing(change))


def test_another_policy_is_another_graph():
    models = []
    for cuda_graphs in (False, True):
        model = build(A2C, cuda_graphs=cuda_graphs)
        model.learn(40)
        torch.manual_seed(5)
        model.policy = model.policy_class(model.observation_space, model.action_space,
                                          model.lr_schedule, **model.policy_kwargs)  # fmt: skip
        model.learn(40)
        models.append(weights(model))
    torch.testing.assert_close(*models, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [A2C, PPO])
def test_a_model_goes_on_from_saved_parameters(cls):
    results = []
    for cuda_graphs in (False, True):
        model = build(cls, cuda_graphs=cuda_graphs)
        model.learn(64)
        saved = model.get_parameters()
        resumed = build(cls, cuda_graphs=cuda_graphs)
        resumed.learn(64)
        resumed.set_parameters(saved)
        torch.manual_seed(3)
        np.random.seed(3)
        resumed.learn(64)
        results.append(weights(resumed))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


class Dropping(CoordConvCNN):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.linear.append(nn.Dropout(0.2))


def test_a_network_with_random_numbers_of_its_own_is_not_captured():
    results = []
    for cuda_graphs in (False, True):
        kwargs = {"features_extractor_class": Dropping, "net_arch": []}
        model = PPO("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
                    cuda_graphs=cuda_graphs, **SMALL[PPO])  # fmt: skip
        model.learn(128)
        results.append(weights(model))
    torch.testing.assert_close(*results)
    assert names(model) == {"advantages"}


def test_two_replays_sample_differently():
    model = build(PPO, cuda_graphs=True)
    model.learn(64)
    actions = model.rollout_buffer.actions
    assert len(np.unique(actions.reshape(4, 16), axis=1)) == 4
    assert len(set(map(tuple, actions.reshape(4, 16).T.tolist()))) > 4


def test_what_a_callback_is_shown_is_not_overwritten_by_the_next_replay():
    class Keeping(BaseCallback):
        def __init__(self):
            super().__init__()
            self.kept = []

        def _on_step(self):
            values = self.locals["values"]
            self.kept.append((values, values.clone()))
            return True

    callback = Keeping()
    build(A2C, cuda_graphs=True).learn(40, callback=callback)
    assert len(callback.kept) == 10
    assert all(torch.equal(now, then) for now, then in callback.kept)


def test_without_a_gpu_there_is_nothing_to_capture(monkeypatch):
    monkeypatch.undo()
    model = build(A2C, cuda_graphs=True)
    model.learn(20)
    assert model._graphs is None


# The recorder itself, and what is built on it.


def test_the_recorder_repeats_operations_on_the_same_memory_and_nothing_else():
    factor = [2.0]
    given, bias = torch.ones(3), torch.zeros(3)
    replay, (output,) = capture(lambda: (given * factor[0] + bias,))
    factor[0] = 100.0  # read by Python, so baked in
    given.fill_(5)
    bias.add_(1)
    replay()
    assert output.tolist() == [11.0] * 3
    bias = torch.full((3,), 50.0)  # other memory, which it does not know
    replay()
    assert output.tolist() == [11.0] * 3


@pytest.mark.parametrize(
    "function", [lambda x: x.sum().item(), lambda x: x.nonzero(), lambda x: x.exponential_(),
                 lambda x: bool(x.any()), lambda x: nn.functional.dropout(x)],
    ids=["item", "nonzero", "exponential", "bool", "dropout"],
)  # fmt: skip
def test_the_recorder_refuses_what_a_graph_cannot_hold(function):
    with Recording(), pytest.raises(RefusedError, match="would"):
        function(torch.ones(4))


def test_inputs_are_copied_into_static_buffers_and_other_constants_are_captured_anew():
    graphs = Graphs(capture)
    recorded = []

    def scale(values):
        recorded.append(len(values))
        return (values * 2,)

    first = graphs.call("scale", scale, (torch.ones(3),), "a")[0]
    assert first.tolist() == [2.0] * 3
    times = len(recorded)
    again = graphs.call("scale", scale, (torch.full((3,), 5.0),), "a")[0]
    assert again.data_ptr() == first.data_ptr()
    assert first.tolist() == [10.0] * 3
    assert len(recorded) == times
    graphs.call("scale", scale, (torch.ones(4),), "a")
    assert len(graphs._captured) == 2
    graphs.call("scale", scale, (torch.ones(4),), "b")
    assert len(graphs._captured) == 2
    assert len(recorded) == 3 * times
