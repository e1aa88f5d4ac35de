"""Policies as ONNX against the same policies in torch."""

import numpy as np
import onnx
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    MultiInputActorCriticPolicy,
)
from torch import nn

from rl_coordconv._util.errors import InputError
from rl_coordconv.exports import onnx_file
from rl_coordconv.exports.network import ExportedPolicy
from rl_coordconv.exports.onnx_file import run_onnx, sample_observations, to_onnx
from rl_coordconv.extractors import (
    EXTRACTORS,
    CoordConvCombinedExtractor,
    extractor_policy_kwargs,
)

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

IMAGES = spaces.Box(0, 255, (4, 84, 84), np.uint8)
FOUR = spaces.Discrete(4)


def no_learning(_):
    return 0.0


def build(kind, observations, actions, **kwargs):
    torch.manual_seed(0)
    policy = kind(observations, actions, no_learning, **kwargs)
    policy.set_training_mode(False)
    with torch.no_grad():  # SB3 begins with actions that are all but equally likely
        policy.action_net.weight.mul_(100)
    return policy


def nature(actions, name="coordconv", **kwargs):
    chosen = extractor_policy_kwargs(name, features_dim=32)
    return build(ActorCriticCnnPolicy, IMAGES, actions, **(chosen | kwargs))


def assert_plays_the_same(policy, exported, batch):
    """Compare with what SB3 itself says of the same observations."""
    arrays = sample_observations(policy.observation_space, batch, seed=batch + 7)
    is_dict = isinstance(policy.observation_space, spaces.Dict)
    seen = arrays if is_dict else arrays["observation"]
    found = run_onnx(exported.content, arrays)
    actions, _ = policy.predict(seen, deterministic=True)
    np.testing.assert_allclose(found["action"], actions, atol=1e-4)
    assert found["action"].shape == actions.shape
    with torch.no_grad():
        tensors, _ = policy.obs_to_tensor(seen)
        values = policy.predict_values(tensors).flatten().numpy()
        distribution = policy.get_distribution(tensors).distribution
    np.testing.assert_allclose(found["value"], values, rtol=1e-3, atol=1e-4)
    return found, distribution


@pytest.mark.parametrize("name", sorted(EXTRACTORS))
def test_every_extractor_computes_the_same(name):
    policy = nature(FOUR, name)
    exported = to_onnx(policy)
    assert exported.inputs == {"observation": ((4, 84, 84), "uint8")}
    assert exported.outputs == {
        "logits": ((4,), "float32"), "action": ((), "int64"), "value": ((), "float32"),
    }  # fmt: skip
    assert exported.largest_difference < 1e-3
    found, distribution = assert_plays_the_same(policy, exported, 5)
    log_probabilities = torch.log_softmax(torch.from_numpy(found["logits"]), dim=1)
    assert torch.allclose(log_probabilities, distribution.logits, atol=1e-3)
    assert found["logits"].std() > 0.01


@pytest.mark.slow
def test_a_file_is_whole_and_its_batch_is_free():
    exported = to_onnx(nature(FOUR, "cnn"))
    model = onnx.load_from_string(exported.content)
    onnx.checker.check_model(model)
    (seen,) = model.graph.input
    assert seen.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    first, *sides = seen.type.tensor_type.shape.dim
    assert first.dim_param
    assert [side.dim_value for side in sides] == [4, 84, 84]
    assert {one.name for one in model.graph.output} == {"logits", "action", "value"}
    assert not any(one.external_data for one in model.graph.initializer)
    for batch in (1, 2, 64):
        out = run_onnx(exported.content, sample_observations(IMAGES, batch))
        assert out["value"].shape == (batch,)


@pytest.mark.slow
def test_normal_distributions_have_mean_and_std_and_clipped_actions():
    space = spaces.Box(np.array([-1.0, -0.01], np.float32), np.array([1.0, 0.01], np.float32))
    policy = nature(space)
    with torch.no_grad():
        policy.log_std.copy_(torch.tensor([0.5, -1.0]))
    exported = to_onnx(policy)
    assert list(exported.outputs) == ["mean", "std", "action", "value"]
    found, distribution = assert_plays_the_same(policy, exported, 5)
    np.testing.assert_allclose(found["mean"], distribution.mean, atol=1e-4)
    np.testing.assert_allclose(found["std"], distribution.stddev, rtol=1e-5)
    assert np.abs(found["mean"][:, 1]).max() > 0.01
    assert np.abs(found["action"][:, 1]).max() <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("space", [spaces.MultiDiscrete([3, 2, 4]), spaces.MultiBinary(3)])
def test_several_choices_at_once(space):
    policy = nature(space)
    exported = to_onnx(policy)
    found, _ = assert_plays_the_same(policy, exported, 6)
    assert found["logits"].shape == (6, 9 if isinstance(space, spaces.MultiDiscrete) else 3)
    assert exported.outputs["action"] == ((3,), "int64")
    assert len(np.unique(found["action"])) > 1


def test_dict_observations_are_inputs_by_their_names():
    observations = spaces.Dict(
        {"image": IMAGES, "speed": spaces.Box(-5, 5, (3,)), "gear": spaces.Discrete(4)}
    )
    policy = build(
        MultiInputActorCriticPolicy, observations, FOUR,
        features_extractor_class=CoordConvCombinedExtractor, net_arch=[],
    )  # fmt: skip
    exported = to_onnx(policy)
    assert exported.inputs == {
        "gear": ((), "int64"), "image": ((4, 84, 84), "uint8"), "speed": ((3,), "float32"),
    }  # fmt: skip
    assert_plays_the_same(policy, exported, 3)


@pytest.mark.slow
def test_heads_and_extractors_of_their_own():
    policy = nature(FOUR, share_features_extractor=False, net_arch={"pi": [8], "vf": [16, 8]})
    assert_plays_the_same(policy, to_onnx(policy), 3)


def test_drawn_observations_are_in_their_space_and_the_same_again():
    observations = spaces.Dict({"image": IMAGES, "speed": spaces.Box(-5, 5, (3,))})
    first, again = (sample_observations(observations, 4, seed=3) for _ in range(2))
    other = sample_observations(observations, 4, seed=4)
    for index in range(4):
        assert observations.contains({name: part[index] for name, part in first.items()})
    for name in observations:
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    assert first["image"].max() == 255


def test_what_computes_something_else_is_refused(monkeypatch):
    policy = nature(FOUR, "cnn")
    trace = onnx_file._trace

    def spoiled(network, arrays):
        content = trace(network, arrays)
        with torch.no_grad():
            policy.value_net.bias.add_(1.0)
        return content

    monkeypatch.setattr(onnx_file, "_trace", spoiled)
    with pytest.raises(InputError, match="something else as ONNX: value differs by 1"):
        to_onnx(policy)


class Odd(nn.Module):
    def forward(self, features):
        return features if features.sum().item() > 0 else -features


def test_a_network_that_cannot_be_traced_is_refused_in_a_line():
    policy = nature(FOUR, "cnn")
    policy.mlp_extractor.policy_net = Odd()
    with pytest.raises(InputError, match="cannot be written as ONNX: \\w+Error|GuardOn"):
        to_onnx(policy)


def test_unknown_actions_are_refused():
    policy = build(ActorCriticPolicy, spaces.Box(-1, 1, (3,)), FOUR)
    policy.action_space = spaces.Text(3)
    with pytest.raises(InputError, match="cannot be exported .allowed: Discrete, Multi"):
        ExportedPolicy(policy)
