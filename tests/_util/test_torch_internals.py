"""torch's private interfaces can go: what is computed stays."""

from types import SimpleNamespace

import pytest
import torch
from images_env import make_blinking
from torch import nn
from torch.nn.utils import parameters_to_vector

from rl_coordconv._util import torch_internals as internals
from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.fast.images import CachedConvolution, Uint8Convolution
from rl_coordconv.agents.fast.linear import linear
from rl_coordconv.agents.fast.structure import ParameterSnapshot, PolicyStructure
from rl_coordconv.extractors import extractor_policy_kwargs
from rl_coordconv.layers import CoordConv2d, convert_to_coordconv

SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 8, "batch_size": 16, "n_epochs": 2}}
FLAGS = [name for name in vars(internals) if name.startswith("HAS_")]


OPERATORS = {
    "HAS_CONVOLUTION_BACKWARD": "convolution_backward",
    "HAS_THRESHOLD_BACKWARD": "threshold_backward",
}


class Without:
    """A library of operators that lacks one."""

    def __init__(self, library, operator):
        self._library, self._operator = library, operator

    def __getattr__(self, name):
        if name == self._operator:
            raise AttributeError(name)
        return getattr(self._library, name)


def gone(name):
    def get(self):
        raise AttributeError(name)

    return property(get)


def remove(monkeypatch, flag):
    """Take an interface away, as a release without it would."""
    if flag == "HAS_ONEDNN_LINEAR":
        monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    elif flag in OPERATORS:
        monkeypatch.setattr(torch.ops, "aten", Without(torch.ops.aten, OPERATORS[flag]))
    elif flag == "HAS_GLOBAL_HOOKS":
        monkeypatch.delattr(nn.modules.module, "_has_any_global_hook")
    elif flag == "HAS_VERSIONS":
        monkeypatch.setattr(torch.Tensor, "_version", gone("_version"), raising=False)
    elif flag in ("HAS_HOOKS", "HAS_PARTS"):
        monkeypatch.setattr(internals, "vars", lambda module: {}, raising=False)
    monkeypatch.setattr(internals, flag, False)


def build(cls=PPO, extractor="coordconv", **options):
    kwargs = extractor_policy_kwargs(extractor, features_dim=16)
    return cls("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
               precision="fp32", **SMALL[cls] | options)  # fmt: skip


def trained(cls, steps=64):
    model = build(cls)
    model.learn(steps)
    return parameters_to_vector(model.policy.parameters()).detach(), model


def test_all_are_there_in_the_releases_that_are_tested():
    assert len(FLAGS) == 10
    assert all(getattr(internals, flag) for flag in FLAGS)


@pytest.mark.parametrize("cls", [A2C, PPO])
@pytest.mark.parametrize("flag", FLAGS)
def test_agents_learn_the_same_without(flag, cls, monkeypatch):
    want, model = trained(cls)
    assert model.slow_reason is None
    remove(monkeypatch, flag)
    found, model = trained(cls)
    assert (model.slow_reason is not None) == (flag in ("HAS_HOOKS", "HAS_GLOBAL_HOOKS"))
    assert torch.allclose(found, want, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("probe", "owner", "name", "value"),
    [
        (internals.counts_versions, torch.Tensor, "_version", gone("_version")),
        (internals.counts_versions, torch.Tensor, "_version", 7),
        (internals.keeps_hooks, nn.Module, "register_forward_hook", lambda *args: None),
        (internals.keeps_hooks, internals, "vars", lambda module: {}),
        (internals.keeps_parts, internals, "vars", lambda module: {}),
        (internals.tells_of_listeners, torch.Tensor, "_backward_hooks", gone("_backward_hooks")),
        (internals.tells_of_listeners, torch.Tensor, "register_hook", lambda *args: None),
        (internals.tells_of_listeners, torch.Tensor, "register_post_accumulate_grad_hook",
         lambda *args: None),
        (internals.keeps_step_hooks, torch.optim.SGD, "register_step_pre_hook", lambda *args: None),
        (internals.keeps_step_hooks, torch.optim.SGD, "register_step_post_hook",
         lambda *args: None),
    ],
)  # fmt: skip
def test_a_probe_tells_that_an_interface_is_gone(probe, owner, name, value, monkeypatch):
    assert internals.works(probe)
    monkeypatch.setattr(owner, name, value, raising=False)
    assert not internals.works(probe)


def test_an_operator_with_another_signature_is_not_the_one_that_is_known():
    name, signature = internals._THRESHOLD
    assert internals.has_operator(name, signature)
    assert not internals.has_operator(name, signature.replace("Scalar", "float"))
    assert not internals.has_operator("aten::no_such_operator", signature)
    assert not internals.has_operator("nolibrary::threshold_backward", signature)


def gradients(function, *inputs):
    inputs = [one.clone().requires_grad_() for one in inputs]
    output = function(*inputs)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return output.detach(), *torch.autograd.grad((output * weights).sum(), inputs)


def both(monkeypatch, flags, function, *inputs):
    want = gradients(function, *inputs)
    for flag in flags:
        remove(monkeypatch, flag)
    found = gradients(function, *inputs)
    for one, other in zip(found, want, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)
        assert one.shape == other.shape


def test_linear_layers(monkeypatch):
    torch.manual_seed(0)
    sizes = ((7, 12), (5, 12), (5,))
    both(monkeypatch, ["HAS_ONEDNN_LINEAR"], linear, *map(torch.randn, sizes))


@pytest.mark.parametrize("has_bias", [True, False])
def test_convolutions_of_bytes(monkeypatch, has_bias):
    torch.manual_seed(0)
    images = torch.randint(0, 256, (3, 4, 12, 10), dtype=torch.uint8)
    parts = [torch.randn(6, 4, 3, 3), *([torch.randn(6)] if has_bias else [])]

    def convolve(weight, bias=None):
        return Uint8Convolution.apply(images, weight / 255, bias, (2, 1))

    both(monkeypatch, ["HAS_CONVOLUTION_BACKWARD"], convolve, *parts)


@pytest.mark.parametrize("flag", ["HAS_CONVOLUTION_BACKWARD", "HAS_THRESHOLD_BACKWARD"])
def test_convolutions_whose_output_is_cached(monkeypatch, flag):
    torch.manual_seed(0)
    images, weight = torch.randn(3, 4, 12, 10), torch.randn(6, 4, 3, 3)
    bias, extra = torch.randn(6), torch.randn(1, 6, 5, 8)
    output = (torch.conv2d(images, weight, bias, (2, 1)) + extra).relu()

    def convolve(images, weight, bias, extra):
        return CachedConvolution.apply(images, weight, bias, extra, output, (2, 1))

    both(monkeypatch, [flag], convolve, images, weight, bias, extra)


def test_multiplying_many(monkeypatch):
    def run():
        tensors = [torch.arange(3.0), torch.ones(2, 2)]
        internals.multiply_all_(tensors, torch.tensor(0.3))
        return tensors

    want = run()
    remove(monkeypatch, "HAS_FOREACH")
    assert all(map(torch.equal, run(), want))


def test_without_versions_nothing_is_said_to_be_unchanged(monkeypatch):
    parameters = [torch.ones(3)]
    assert ParameterSnapshot(parameters).is_current()
    remove(monkeypatch, "HAS_VERSIONS")
    assert not ParameterSnapshot(parameters).is_current()


def test_without_the_dictionaries_a_policys_changes_are_seen(monkeypatch):
    remove(monkeypatch, "HAS_PARTS")
    policy = build().policy
    structure = PolicyStructure(policy)
    assert structure.is_current()
    policy.value_net.weight = nn.Parameter(policy.value_net.weight.clone())
    assert not structure.is_current()


def test_without_them_listeners_are_taken_to_be_there(monkeypatch):
    layer = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    seen = (internals.count_hooks, internals.is_listened_to, internals.has_step_hooks)
    asked = (layer, layer.weight, optimizer)
    assert not any(ask(one) for ask, one in zip(seen, asked, strict=True))
    for flag in ("HAS_HOOKS", "HAS_LISTENERS", "HAS_STEP_HOOKS"):
        remove(monkeypatch, flag)
    assert all(ask(one) for ask, one in zip(seen, asked, strict=True))


def test_layers_are_converted_all_the_same(monkeypatch):
    images = torch.randn(2, 3, 8, 8)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    want = plain(images)
    remove(monkeypatch, "HAS_HOOKS")
    converted = convert_to_coordconv(plain)
    assert type(converted[0]) is CoordConv2d
    assert torch.allclose(converted(images), want, atol=1e-6)


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
def test_hooks_that_bring_weights_of_their_own_are_refused_even_then(monkeypatch):
    remove(monkeypatch, "HAS_HOOKS")
    with pytest.raises(InputError, match="it has hooks"):
        convert_to_coordconv(nn.utils.weight_norm(nn.Conv2d(3, 4, 3)))


def test_bf16_is_not_had_where_torch_does_not_tell(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", None)
    assert internals.onednn_has_bf16() is False
    assert internals.torch_sees_avx512_bf16() is False
