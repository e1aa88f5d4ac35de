"""What is recorded and replayed on a GPU, run here with a stand-in that computes it again."""

import numpy as np
import pytest
import torch
from images_env import make_blinking
from torch import nn
from torch.nn.utils import parameters_to_vector

from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.fast.graphs import Graphs, StaticFunction, capture_nothing
from rl_coordconv.extractors import extractor_policy_kwargs

SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 16, "batch_size": 24, "n_epochs": 2}}


def train(cls, steps, **options):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    model = cls("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
                precision="fp32", **SMALL[cls] | options)  # fmt: skip
    model.learn(steps)
    return model


def weights(model):
    return parameters_to_vector(model.policy.parameters()).detach()


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize(
    ("cls", "options"),
    [(A2C, {}), (PPO, {}), (PPO, {"clip_range_vf": 0.1}), (PPO, {"learning_rate": lambda p: p}),
     (PPO, {"clip_range": lambda progress: 0.2 * progress})],
    ids=["a2c", "ppo", "value clipping", "learning rate", "clip range"],
)  # fmt: skip
def test_recorded_it_trains_the_same_weights(cls, options):
    """Also with a last, shorter minibatch, and with limits that change from update to update."""
    if callable(options.get("learning_rate")):
        options = {"learning_rate": lambda progress: 1e-3 * progress}
    plain, recorded = (train(cls, 256, cuda_graphs=flag, **options) for flag in (False, True))
    assert torch.equal(weights(plain), weights(recorded))
    functions = {key[0].split(" ")[0] for key in recorded._graphs._functions}
    assert functions == {"decide", "advantages", "gradients"}
    for name, value in plain.logger.name_to_value.items():
        if name.startswith("train/"):
            assert recorded.logger.name_to_value[name] == pytest.approx(value), name


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
def test_two_replays_sample_differently():
    model = train(PPO, 64, cuda_graphs=True)
    actions = model.rollout_buffer.actions.reshape(16, 4)
    assert len(np.unique(actions, axis=0)) > 4


def test_recorded_actions_follow_new_weights():
    model = train(A2C, 40, cuda_graphs=True)
    with torch.no_grad():
        model.policy.action_net.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    model.learn(20)
    assert (model.rollout_buffer.actions == 2).all()


def test_outputs_and_inputs_keep_their_places():
    calls = []

    def double(values):
        calls.append(values.data_ptr())
        return (values * 2,)

    function = StaticFunction(double, (torch.ones(3),), capture_nothing)
    first = function(torch.full((3,), 2.0))[0]
    assert first.tolist() == [4.0] * 3
    second = function(torch.full((3,), 5.0))[0]
    assert second.data_ptr() == first.data_ptr()
    assert first.tolist() == [10.0] * 3
    assert len(set(calls)) == 1


def test_other_shapes_and_moved_weights_are_recorded_anew():
    module = nn.Linear(2, 1)
    graphs = Graphs(module, torch.device("cpu"))
    recorded = []

    def evaluate(values):
        recorded.append(values.shape)
        return (module(values).detach(),)

    graphs.call("evaluate", evaluate, torch.ones(1, 2))
    graphs.call("evaluate", evaluate, torch.ones(1, 2))
    graphs.call("evaluate", evaluate, torch.ones(3, 2))
    assert len(graphs._functions) == 2
    before = graphs.call("evaluate", evaluate, torch.ones(1, 2))[0].clone()
    module.weight = nn.Parameter(module.weight.detach() + 1)
    after = graphs.call("evaluate", evaluate, torch.ones(1, 2))[0]
    assert after.item() == pytest.approx(before.item() + 2, abs=1e-6)
    assert len(graphs._functions) == 1
