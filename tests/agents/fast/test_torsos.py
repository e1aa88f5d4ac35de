"""Features computed straight from uint8 images, against the extractors themselves."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.torch_layers import NatureCNN
from torch import nn

from rl_coordconv.agents.fast.activations import RolloutActivations
from rl_coordconv.agents.fast.images import relu_with_map
from rl_coordconv.agents.fast.linear import linear
from rl_coordconv.agents.fast.structure import ParameterSnapshot
from rl_coordconv.agents.fast.torsos import GenericTorso, NatureTorso, make_torso
from rl_coordconv.extractors import CoordConvCNN, ImpalaCNN, PlaceboCNN, PooledCNN
from rl_coordconv.layers import PositionEmbedding

SPACE = gym.spaces.Box(0, 255, (4, 44, 52), np.uint8)
EXTRACTORS = {
    "cnn": lambda: NatureCNN(SPACE, 24),
    "coordconv": lambda: CoordConvCNN(SPACE, 24),
    "coordconv-all, r": lambda: CoordConvCNN(SPACE, 24, where="all", with_r=True),
    "placebo": lambda: PlaceboCNN(SPACE, 24),
    "mean, last": lambda: CoordConvCNN(SPACE, 24, where="last", pooling="mean"),
    "max, last": lambda: CoordConvCNN(SPACE, 24, where="last", pooling="max", zero_mean=True),
    "softmax": lambda: PooledCNN(SPACE, 24, pooling="softmax"),
    "softmax, placebo": lambda: PlaceboCNN(SPACE, 24, where="last", pooling="softmax"),
    "learned": lambda: embedded("mean"),
    "learned, zero mean": lambda: embedded("max", zero_mean=True),
    "sinusoids": lambda: PooledCNN(SPACE, 24, pooling="mean", embedding="sinusoids"),
}


def embedded(pooling, **options):
    extractor = PooledCNN(SPACE, 24, pooling=pooling, embedding="learned", **options)
    nn.init.normal_(extractor.cnn[5].map, std=0.1)
    return extractor


def images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, *SPACE.shape), generator=generator, dtype=torch.uint8)
    return pixels.contiguous(memory_format=torch.channels_last)


def features_and_gradients(function, extractor, pixels, direction):
    extractor.zero_grad()
    features = function(pixels)
    (features * direction).sum().backward()
    return features.detach(), [parameter.grad.clone() for parameter in extractor.parameters()]


@pytest.mark.parametrize("make", EXTRACTORS.values(), ids=EXTRACTORS)
def test_in_float64_features_and_gradients_are_the_extractors(make):
    torch.manual_seed(1)
    extractor = make().double()
    direction = torch.randn(5, 24, dtype=torch.float64)
    torso = NatureTorso(extractor, torch.float64, 1 / 255)
    got = features_and_gradients(torso, extractor, images(5), direction)
    want = features_and_gradients(lambda x: extractor(x.double() / 255), extractor, images(5),
                                  direction)  # fmt: skip
    torch.testing.assert_close(got[0], want[0], rtol=0, atol=1e-12)
    for mine, theirs in zip(got[1], want[1], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    assert all(gradient.abs().max() > 0 for gradient in got[1])


@pytest.mark.parametrize("make", EXTRACTORS.values(), ids=EXTRACTORS)
def test_in_float32_chunks_and_onednn_change_rounding_only(make):
    torch.manual_seed(2)
    extractor = make()
    direction = torch.randn(70, 24)  # more than a chunk
    torso = make_torso(extractor, torch.float32, 1 / 255)
    assert isinstance(torso, NatureTorso)
    got = features_and_gradients(torso, extractor, images(70), direction)
    want = features_and_gradients(lambda x: extractor(x.float() / 255), extractor, images(70),
                                  direction)  # fmt: skip
    torch.testing.assert_close(got[0], want[0], rtol=1e-5, atol=1e-6)
    for mine, theirs in zip(got[1], want[1], strict=True):
        assert (mine - theirs).norm() <= 1e-5 * theirs.norm()


@pytest.mark.parametrize("make", EXTRACTORS.values(), ids=EXTRACTORS)
def test_bf16_differs_by_rounding_and_hands_out_float32(make):
    torch.manual_seed(3)
    extractor = make()
    direction = torch.randn(6, 24)
    torso = make_torso(extractor, torch.bfloat16, 1 / 255)
    features, gradients = features_and_gradients(torso, extractor, images(6), direction)
    exact, exact_gradients = features_and_gradients(
        lambda x: extractor(x.float() / 255), extractor, images(6), direction
    )
    assert features.dtype is torch.float32
    assert (features - exact).norm() < 0.02 * exact.norm()
    for mine, theirs in zip(gradients, exact_gradients, strict=True):
        assert mine.dtype is torch.float32
        # A feature of pooled maps that rounding turns off takes a whole image's gradient with it.
        limit = 0.99 if isinstance(extractor.cnn[-1], nn.Flatten) else 0.95
        assert torch.cosine_similarity(mine.flatten(), theirs.flatten(), dim=0) > limit


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("make", EXTRACTORS.values(), ids=EXTRACTORS)
def test_a_rollout_torso_is_the_same_function_for_weights_of_that_moment(make, dtype):
    torch.manual_seed(4)
    extractor = make()
    torso = make_torso(extractor, dtype, 1 / 255)
    rollout_torso = torso.for_rollout()
    before = rollout_torso(images(3))
    torch.testing.assert_close(before, torso(images(3)).detach(), rtol=1e-5, atol=1e-6)
    assert not before.requires_grad
    with torch.no_grad():
        extractor.cnn[0].weight.mul_(2)
    assert not torch.allclose(torso(images(3)), before)
    assert not torch.allclose(torso.for_rollout()(images(3)), before)


@pytest.mark.parametrize("make", EXTRACTORS.values(), ids=EXTRACTORS)
def test_gradients_from_cached_activations_are_the_extractors(make):
    torch.manual_seed(3)
    extractor = make().double()
    direction = torch.randn(6, 24, dtype=torch.float64)
    torso = NatureTorso(extractor, torch.float64, 1 / 255)
    pixels, rollout_torso = images(6), torso.for_rollout()
    rollout = RolloutActivations(lambda: True)
    for part in pixels.split([2, 3, 1]):
        rollout_torso(part, rollout.new_forward_pass(part))
    cached = rollout.joined(pixels)
    assert len(cached) == torso.n_cached == 3

    got = features_and_gradients(lambda x: torso(x, cached), extractor, pixels, direction)
    want = features_and_gradients(lambda x: extractor(x.double() / 255), extractor, pixels,
                                  direction)  # fmt: skip
    torch.testing.assert_close(got[0], want[0], rtol=0, atol=1e-12)
    for mine, theirs in zip(got[1], want[1], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


def test_cached_activations_are_really_used():
    extractor = NatureCNN(SPACE, 24)
    torso = NatureTorso(extractor, torch.float32, 1 / 255)
    cached = []
    torso.for_rollout()(images(3), cached)
    zeros = [torch.zeros_like(part) for part in cached]
    want = extractor.linear[0].bias.relu().expand(3, -1)
    torch.testing.assert_close(torso(images(3), zeros), want)


CHANGES = {
    "in place": lambda layer: layer.bias.data.add_(1),
    "loaded": lambda layer: layer.load_state_dict(layer.state_dict()),
    "assigned": lambda layer: setattr(layer.weight, "data", layer.weight.data.clone()),
    "through .data": lambda layer: layer.weight.data.mul_(0.9),
    "through .data, a single number": lambda layer: layer.weight.data[3, 1, 2, 0].add_(1),
}


CHANGES_OF_EMBEDDINGS = {
    "in place": lambda layer: layer.map.data.add_(1),
    "through .data, a single number": lambda layer: layer.map.data[0, 3, 1, 2].add_(1),
    "assigned": lambda layer: setattr(layer.map, "data", layer.map.data.clone()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("index", [0, 2])
def test_a_snapshot_notices_every_change_of_what_was_copied(index, change):
    extractor = NatureCNN(SPACE, 24)
    snapshot = ParameterSnapshot(
        extractor.parameters(), make_torso(extractor, torch.float32, 1.0).copied
    )
    assert snapshot.is_current()
    with torch.no_grad():
        change(extractor.cnn[index])
    assert not snapshot.is_current()


def test_of_a_large_matrix_in_another_precision_a_sample_is_watched():
    extractor = NatureCNN(gym.spaces.Box(0, 255, (4, 84, 84), np.uint8))
    copied = make_torso(extractor, torch.bfloat16, 1.0).copied
    assert any(part is extractor.linear[0].weight for part in copied)
    snapshot = ParameterSnapshot(extractor.parameters(), copied)
    extractor.linear[0].weight.data.mul_(0.999)
    assert not snapshot.is_current()
    assert snapshot.is_current(compare=False)


@pytest.mark.parametrize("change", CHANGES_OF_EMBEDDINGS.values(), ids=CHANGES_OF_EMBEDDINGS)
def test_a_snapshot_notices_every_change_of_an_embedding(change):
    extractor = embedded("max")
    torso = make_torso(extractor, torch.float32, 1 / 255)
    snapshot = ParameterSnapshot(extractor.parameters(), torso.copied)
    assert snapshot.is_current()
    change(extractor.cnn[5])
    assert not snapshot.is_current()


def replaced(index, module):
    extractor = embedded("max")
    extractor.cnn[index] = module
    return extractor


def doubled():
    extractor = embedded("max")
    extractor.cnn.insert(6, PositionEmbedding(64, 2, 3))
    return extractor


class DerivedEmbedding(PositionEmbedding):
    """Somebody's own."""

    def forward(self, maps):
        return 2 * super().forward(maps)


@pytest.mark.parametrize(
    "make",
    [
        lambda: replaced(5, DerivedEmbedding(64, 2, 3)),
        lambda: replaced(6, nn.Identity()),
        lambda: replaced(4, nn.Identity()),
        lambda: replaced(7, nn.AdaptiveMaxPool2d(1)),
        doubled,
    ],
)
def test_what_an_embedding_stands_beside_has_to_be_known(make):
    extractor = make()
    assert isinstance(make_torso(extractor, torch.float32, 1 / 255), GenericTorso)


@pytest.mark.parametrize("change", ["none", "policy", "images", "too few", "nothing cached"])
def test_activations_of_another_policy_or_of_other_images_are_not_used(change):
    torso, pixels = make_torso(NatureCNN(SPACE, 24), torch.float32, 1 / 255), images(6)
    rollout = RolloutActivations(lambda: change != "policy")
    if change != "nothing cached":
        for part in pixels.split(3)[: 1 if change == "too few" else 2]:
            torso.for_rollout()(part, rollout.new_forward_pass(part.clone()))
    if change == "images":
        pixels[5, 0, 4, 4] += 1
    cached = rollout.joined(pixels)
    assert (cached is not None) is (change == "none")


def test_no_float_copy_of_the_images_is_kept_for_the_gradient():
    extractor = CoordConvCNN(SPACE, 24)
    kept = []

    def pack(tensor):
        kept.append((tuple(tensor.shape), tensor.dtype))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        make_torso(extractor, torch.float32, 1 / 255)(images(6))
    of_images = [dtype for shape, dtype in kept if shape == (6, *SPACE.shape)]
    assert of_images == [torch.uint8]


def test_images_that_are_not_to_be_scaled_are_not():
    torch.manual_seed(5)
    extractor = NatureCNN(SPACE, 24)
    got = make_torso(extractor, torch.float32, 1.0)(images(2))
    torch.testing.assert_close(got, extractor(images(2).float()), rtol=1e-5, atol=1e-3)


def hooked():
    extractor = NatureCNN(SPACE, 24)
    extractor.cnn[0].register_forward_hook(lambda *_: None)
    return extractor


def patched():
    extractor = NatureCNN(SPACE, 24)
    extractor.linear[0].forward = extractor.linear[0].forward
    return extractor


def rebuilt():
    extractor = NatureCNN(SPACE, 24)
    extractor.cnn[1] = nn.Tanh()
    return extractor


class Derived(NatureCNN):
    """Somebody's own."""


@pytest.mark.parametrize(
    "make", [hooked, patched, rebuilt, lambda: Derived(SPACE, 24), lambda: ImpalaCNN(SPACE, 24)]
)
def test_what_is_not_plainly_nature_is_called_as_it_is(make):
    torch.manual_seed(6)
    extractor = make()
    torso = make_torso(extractor, torch.float32, 1 / 255)
    assert isinstance(torso, GenericTorso)
    want = extractor(images(3).float() / 255)
    torch.testing.assert_close(torso(images(3)), want, rtol=1e-5, atol=1e-6)
    rounded = make_torso(extractor, torch.bfloat16, 1 / 255)(images(3))
    assert rounded.dtype is torch.float32
    assert (rounded - want).norm() < 0.03 * want.norm()


@pytest.mark.parametrize("bias", [True, False])
def test_linear_equals_torchs_with_its_gradients(bias):
    torch.manual_seed(7)
    arguments = [torch.randn(5, 11), torch.randn(7, 11), torch.randn(7)][: 3 if bias else 2]
    results = []
    for function in (linear, nn.functional.linear):
        leaves = [part.clone().requires_grad_() for part in arguments]
        output = function(*leaves) if bias else function(*leaves, None)
        output.square().sum().backward()
        results.append([output.detach(), *(leaf.grad for leaf in leaves)])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


def test_a_map_is_added_before_relu_and_summed_in_its_gradient():
    torch.manual_seed(8)
    values = torch.randn(3, 2, 4, 5).contiguous(memory_format=torch.channels_last)
    extra = torch.randn(1, 2, 4, 5, requires_grad=True)
    output = relu_with_map(values, extra)
    torch.testing.assert_close(output, torch.relu(values + extra))
    assert output.is_contiguous(memory_format=torch.channels_last)
    output.sum().backward()
    torch.testing.assert_close(extra.grad, (values + extra > 0).float().sum(0, keepdim=True))
