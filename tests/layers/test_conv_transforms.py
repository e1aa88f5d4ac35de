"""CoordConv2d where its cache or its one weight meet transforms, threads and changed settings."""

import threading

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import parametrizations, parametrize

from rl_coordconv.layers import AddCoords, CoordConv2d


def concatenated(layer, image):
    """Return what the layer should compute, with the weight and settings it has now."""
    return nn.functional.conv2d(
        AddCoords()(image), layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation
    )


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return CoordConv2d(4, 8, 3, padding=1)


@pytest.fixture
def image():
    return torch.rand(2, 4, 12, 15)


@pytest.mark.parametrize("change", [
    {"padding": (2, 2), "dilation": (2, 2)},  # the output's shape stays as it was
    {"stride": (2, 2)},
])  # fmt: skip
@torch.no_grad()
def test_a_changed_geometry_is_seen(layer, image, change):
    layer(image)
    for name, value in change.items():
        setattr(layer, name, value)
    assert torch.allclose(layer(image), concatenated(layer, image), atol=1e-5)


def test_threads_with_images_of_two_sizes_do_not_mix_them_up(layer, image):
    images = [image, image[:, :, :3, :3].contiguous()]
    expected = [concatenated(layer, each).detach() for each in images]
    faults = []

    @torch.no_grad()
    def infer(index):
        try:
            for _ in range(2000):
                assert torch.allclose(layer(images[index]), expected[index], atol=1e-5)
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=infer, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*deprecated")
@torch.no_grad()
def test_a_trace_keeps_no_map(layer, image):
    layer(image)
    traced = torch.jit.trace(layer, (image,))
    layer.weight.mul_(2)
    for given in (image, image[:, :, :9]):
        assert torch.allclose(traced(given), concatenated(layer, given), atol=1e-5)


@torch.no_grad()
def test_an_ensemble_under_vmap_leaves_nothing_behind(layer, image):
    layers = [CoordConv2d(4, 8, 3, padding=1) for _ in range(3)]
    weights, _ = torch.func.stack_module_state(layers)

    def run(weights):
        return torch.func.functional_call(layer, weights, (image,))

    expected = torch.stack([concatenated(each, image) for each in layers])
    for _ in range(2):
        assert torch.allclose(torch.vmap(run)(weights), expected, atol=1e-5)
        assert torch.allclose(layer(image), concatenated(layer, image), atol=1e-5)


def test_fake_tensors_pass():
    with FakeTensorMode(), torch.no_grad():
        fake = CoordConv2d(4, 8, 3)
        for _ in range(2):
            assert fake(torch.rand(2, 4, 9, 11)).shape == (2, 8, 7, 9)


class RandomScale(nn.Module):
    """A parametrisation that differs at every access."""

    def forward(self, weight):
        return weight * (0.5 + torch.rand(()))


@pytest.mark.parametrize("is_training", [True, False])
def test_a_parametrised_weight_is_computed_once(layer, image, is_training):
    parametrize.register_parametrization(layer, "weight", RandomScale())
    with torch.set_grad_enabled(is_training):
        torch.manual_seed(1)
        ours = layer(image)
        torch.manual_seed(1)
        assert torch.allclose(ours, concatenated(layer, image), atol=1e-5)


def test_spectral_norm_takes_one_step_a_call(layer, image):
    layer = parametrizations.spectral_norm(layer)
    calls = []
    layer.parametrizations.weight[0].register_forward_hook(lambda *_: calls.append(1))
    layer(image)
    assert len(calls) == 1
