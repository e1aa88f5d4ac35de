"""Convolutions as others with the same output: against torch's own."""

import pytest
import torch

from rl_coordconv.agents.fast import space_to_depth
from rl_coordconv.agents.fast.images import CachedConvolution, Uint8Convolution

CASES = {
    "NatureCNN": (4, (84, 84), (8, 8), (4, 4)),
    "one channel": (1, (84, 84), (8, 8), (4, 4)),
    "three channels, no whole element": (3, (33, 35), (6, 6), (3, 3)),
    "rows and columns that no kernel reaches": (4, (86, 87), (8, 8), (4, 4)),
    "sides of their own": (6, (64, 48), (4, 8), (2, 4)),
}
LAYOUTS = {
    "channels last": lambda pixels: pixels.contiguous(memory_format=torch.channels_last),
    "contiguous": lambda pixels: pixels,
    "a part of a larger tensor": lambda pixels: (
        torch.nn.functional.pad(pixels, (1, 2, 1, 0))
        .permute(0, 2, 3, 1)
        .contiguous()
        .permute(0, 3, 1, 2)[:, :, 1:, 1:-2]
    ),
}


def pixels(count, channels, size):
    return torch.randint(0, 256, (count, channels, *size), dtype=torch.uint8)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_rearranged_convolution_has_the_same_output(case, layout):
    channels, size, kernel, stride = case
    torch.manual_seed(0)
    images = layout(pixels(3, channels, size))
    weight = torch.randn(5, channels, *kernel, dtype=torch.float64)
    rearranged = space_to_depth.images_to_depth(images, weight.shape[2:], stride)
    got = torch.conv2d(rearranged.double(), space_to_depth.weight_to_depth(weight, stride))
    torch.testing.assert_close(got, torch.conv2d(images.double(), weight, stride=stride))
    assert rearranged.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_weight_comes_back(case):
    channels, _, kernel, stride = case
    weight = torch.randn(5, channels, *kernel)
    there = space_to_depth.weight_to_depth(weight, stride)
    assert torch.equal(space_to_depth.restore_weight(there, weight.shape, stride), weight)


def gradients(convolve, weight, bias, direction):
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    output = convolve(weight, bias)
    output.backward(direction.to(output.dtype))
    return output.detach(), weight.grad, bias.grad


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_in_bf16_outputs_and_gradients_differ_by_rounding_only(monkeypatch, case):
    channels, size, kernel, stride = case
    torch.manual_seed(0)
    images = LAYOUTS["channels last"](pixels(40, channels, size))
    weight, bias = torch.randn(8, channels, *kernel).bfloat16() / 255, torch.randn(8).bfloat16()
    want_output = torch.conv2d(images.double(), weight.double(), bias.double(), stride)
    direction = torch.randn_like(want_output).bfloat16()
    want = gradients(
        lambda *parts: torch.conv2d(images.double(), *parts, stride),
        weight.double(), bias.double(), direction,
    )  # fmt: skip
    lowered = []

    def lower(*arguments):
        lowered.append(space_to_depth.lower(*arguments))
        return lowered[-1]

    monkeypatch.setattr("rl_coordconv.agents.fast.images.lower", lower)
    monkeypatch.setattr(space_to_depth, "_has_tiles", lambda: True)
    convolved = gradients(
        lambda *parts: Uint8Convolution.apply(images, *parts, stride), weight, bias, direction
    )
    output = (
        convolved[0].relu() + 1
    )  # positive everywhere: no unit of the cached one is switched off
    cached = gradients(
        lambda *parts: CachedConvolution.apply(images, *parts, None, output, stride),
        weight, bias, direction,
    )  # fmt: skip
    assert [one[1].shape[2:] for one in lowered] == [
        tuple(side // step for side, step in zip(kernel, stride, strict=True))
    ] * 2
    torch.testing.assert_close(convolved[0].double(), want[0], rtol=0.01, atol=0.02)
    for got in (convolved, cached):
        for mine, theirs in zip(got[1:], want[1:], strict=True):
            error = (mine.double() - theirs).abs().max() / theirs.abs().max()
            assert error < 0.01
            assert mine.shape == theirs.shape


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": torch.float32},
        {"count": 31},
        {"channels": 16},
        {"stride": (1, 1)},
        {"stride": (3, 3)},
        {"tiles": False},
    ],
    ids=str,
)
def test_where_it_does_not_serve_the_convolution_stays_as_it_is(monkeypatch, change):
    plain = {"dtype": torch.bfloat16, "count": 32, "channels": 4, "stride": (4, 4), "tiles": True}

    def stays(dtype, count, channels, stride, tiles):
        monkeypatch.setattr(space_to_depth, "_has_tiles", lambda: tiles)
        images, weight = (
            pixels(count, channels, (20, 20)),
            torch.ones(2, channels, 8, 8, dtype=dtype),
        )
        got = space_to_depth.lower(images, weight, stride)
        return got[0] is images and got[1] is weight and got[2] == stride

    assert stays(**plain | change)
    assert not stays(**plain)
