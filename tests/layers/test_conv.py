"""CoordConv2d against "concatenate the coordinates, then nn.Conv2d"."""

import copy
import io
import itertools
import subprocess
import sys

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from rl_coordconv._util.errors import InputError
from rl_coordconv.layers import (
    AddCoords,
    ConstantConv2d,
    CoordConv2d,
    without_coordinates,
)

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


class Concatenating(nn.Module):
    """The usual CoordConv, as the reference."""

    def __init__(self, in_channels, *args, with_r=False, **kwargs):
        super().__init__()
        self.add = AddCoords(with_r)
        self.conv = nn.Conv2d(in_channels + (3 if with_r else 2), *args, **kwargs)

    def forward(self, image):
        return self.conv(self.add(image))


def pair(*args, with_r=False, **kwargs):
    """Return ours and the reference with the same weights."""
    layer = CoordConv2d(*args, with_r=with_r, **kwargs)
    reference = Concatenating(*args, with_r=with_r, **kwargs)
    reference.conv.load_state_dict(layer.state_dict())
    return layer, reference


def assert_same(layer, reference, image, atol):
    """Compare outputs, and the gradients of a random projection of them."""
    ours, theirs = image.clone().requires_grad_(), image.clone().requires_grad_()
    out, expected = layer(ours), reference(theirs)
    assert out.shape == expected.shape
    assert out.dtype == expected.dtype
    assert (out - expected).abs().max() <= atol
    direction = torch.randn_like(expected)
    (out * direction).sum().backward()
    (expected * direction).sum().backward()
    scale = max(1.0, reference.conv.weight.grad.abs().max().item())
    assert (ours.grad - theirs.grad).abs().max() <= 10 * atol
    assert (layer.weight.grad - reference.conv.weight.grad).abs().max() <= 10 * atol * scale
    if layer.bias is not None:
        scale = max(1.0, reference.conv.bias.grad.abs().max().item())
        assert (layer.bias.grad - reference.conv.bias.grad).abs().max() <= 10 * atol * scale
    with torch.no_grad():  # the cached way, twice
        for _ in range(2):
            assert (layer(image) - expected).abs().max() <= atol


GEOMETRIES = [
    {"kernel_size": 8, "stride": 4},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (3, 5), "stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)},
    {"kernel_size": 3, "padding": "same"},
    {"kernel_size": 4, "padding": "same", "dilation": 2},
    {"kernel_size": 3, "padding": "valid"},
    {"kernel_size": 1},
    {"kernel_size": 3, "bias": False},
    *(
        {"kernel_size": 3, "padding": padding, "padding_mode": mode}
        for mode, padding in itertools.product(("reflect", "replicate", "circular"), (2, "same"))
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("with_r", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_equals_concatenation_in_float64(geometry, with_r, device):
    torch.manual_seed(0)
    layer, reference = pair(3, 5, with_r=with_r, **geometry, dtype=torch.float64, device=device)
    image = torch.randn(4, 3, 13, 21, dtype=torch.float64, device=device)
    assert_same(layer, reference, image, atol=1e-12)


@given(
    height=st.integers(1, 20), width=st.integers(1, 20), batch=st.integers(0, 3),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 2),
    with_r=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_equals_concatenation_for_any_shape(
    height, width, batch, kernel, stride, padding, dilation, with_r
):
    for side, length in zip((height, width), kernel, strict=True):
        assume(side + 2 * padding >= dilation * (length - 1) + 1)
    layer, reference = pair(
        2, 3, kernel, stride, padding, dilation, with_r=with_r, dtype=torch.float64
    )
    image = torch.randn(batch, 2, height, width, dtype=torch.float64)
    assert torch.allclose(layer(image), reference(image), atol=1e-12)


def test_the_nature_layers_in_float32_and_channels_last():
    torch.manual_seed(0)
    for channels, out, kernel, stride, side in ((4, 32, 8, 4, 84), (32, 64, 4, 2, 20)):
        layer, reference = pair(channels, out, kernel, stride)
        image = torch.rand(8, channels, side, side)
        assert_same(layer, reference, image, atol=2e-6)
        last = image.to(memory_format=torch.channels_last)
        out_last = layer(last)
        assert out_last.is_contiguous(memory_format=torch.channels_last)
        assert (out_last - reference(image)).abs().max() <= 2e-6


def test_bf16_autocast_is_as_close_to_the_truth_as_the_concatenating_form():
    torch.manual_seed(0)
    layer, reference = pair(4, 32, 8, 4)
    image = torch.rand(8, 4, 84, 84)
    with torch.no_grad():
        exact = copy.deepcopy(reference).double()(image.double())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ours, theirs = layer(image), reference(image)
            cached = layer(image)
    assert ours.dtype == theirs.dtype == torch.bfloat16
    assert torch.equal(ours, cached)
    # Ours rounds twice, once for each term: an error of one bf16 unit of the largest value, 2^-8.
    bound = 2 * exact.abs().max().item() * 2**-8
    assert (ours.double() - exact).abs().max() <= bound
    assert (theirs.double() - exact).abs().max() <= bound


def test_bf16_autocast_trains():
    layer, reference = pair(4, 32, 8, 4)
    image = torch.rand(8, 4, 84, 84)
    for module in (layer, reference):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            module(image).float().square().mean().backward()
    ours, theirs = layer.weight.grad.flatten(), reference.conv.weight.grad.flatten()
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.999


def test_weights_in_bf16():
    layer = CoordConv2d(4, 8, 3).to(torch.bfloat16)
    out = layer(torch.rand(2, 4, 9, 9, dtype=torch.bfloat16))
    assert out.dtype == torch.bfloat16


# torch says so on Python 3.13.0, where it would otherwise stop the compilation
@pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")
@pytest.mark.parametrize("size", [(84, 84), (40, 61)])
def test_compiled(size):
    torch._dynamo.reset()
    layer, reference = pair(4, 8, 8, 4, with_r=True)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    image = torch.rand(2, 4, *size)
    out = compiled(image)
    assert torch.allclose(out, reference(image), atol=1e-5)
    out.sum().backward()
    reference(image).sum().backward()
    assert torch.allclose(layer.weight.grad, reference.conv.weight.grad, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        assert torch.allclose(compiled(image), reference(image), atol=1e-5)


@pytest.mark.slow
def test_compiled_by_inductor():
    torch._dynamo.reset()
    layer, reference = pair(4, 8, 8, 4)
    image = torch.rand(2, 4, 84, 84)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True)
    for size in (84, 60):
        image = torch.rand(2, 4, size, size)
        assert torch.allclose(compiled(image), reference(image), atol=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_onnx_export_computes_the_same(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer = nn.Sequential(CoordConv2d(4, 8, 8, 4, with_r=True), nn.ReLU(), CoordConv2d(8, 4, 3))
    image = torch.rand(2, 4, 84, 84)
    path = tmp_path / "layer.onnx"
    batch = torch.export.Dim("batch", min=1, max=1024)
    torch.onnx.export(
        layer.eval(), (image,), path, dynamo=True, dynamic_shapes=({0: batch},), verbose=False
    )
    session = onnxruntime.InferenceSession(path)
    for size in (2, 5):
        image = torch.rand(size, 4, 84, 84)
        (out,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
        assert torch.allclose(torch.from_numpy(out), layer(image), atol=1e-5)


def test_gradients_and_second_gradients_are_right():
    layer = CoordConv2d(2, 2, 3, padding=1, with_r=True, dtype=torch.float64)
    image = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, image)
    assert torch.autograd.gradgradcheck(layer, image)


def test_nothing_of_the_coordinates_is_in_the_state_dict():
    layer = CoordConv2d(4, 8, 3)
    with torch.no_grad():
        layer(torch.rand(1, 4, 9, 9))
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer.weight.shape == (8, 6, 3, 3)
    assert CoordConv2d(4, 8, 3, with_r=True).weight.shape == (8, 7, 3, 3)


@pytest.mark.parametrize("shape", [(4, 9, 9), (1, 4, 9, 9), (0, 4, 9, 9)])
def test_unbatched_single_and_empty(shape):
    layer, reference = pair(4, 8, 3)
    image = torch.rand(shape)
    assert torch.allclose(layer(image), reference(image), atol=1e-6)


def test_zero_coordinate_weights_make_it_the_plain_convolution():
    layer = CoordConv2d(4, 8, 3, padding=1, coordinate_init="zero")
    plain = nn.Conv2d(4, 8, 3, padding=1)
    plain.load_state_dict({"weight": layer.image_weight, "bias": layer.bias})
    image = torch.rand(2, 4, 9, 9)
    assert torch.allclose(layer(image), plain(image), atol=1e-6)
    # and it learns from there
    layer(image).square().sum().backward()
    assert layer.weight.grad[:, 4:].abs().max() > 0


def test_default_initialisation_is_that_of_the_whole_convolution():
    torch.manual_seed(3)
    layer = CoordConv2d(4, 8, 3)
    torch.manual_seed(3)
    plain = nn.Conv2d(6, 8, 3)
    assert torch.equal(layer.weight, plain.weight)
    assert torch.equal(layer.bias, plain.bias)


def test_the_placebo_is_concatenating_ones():
    layer = ConstantConv2d(3, 5, 3, padding=1)
    plain = nn.Conv2d(5, 5, 3, padding=1)
    plain.load_state_dict(layer.state_dict())
    image = torch.rand(2, 3, 7, 8)
    joined = torch.cat((image, torch.ones(2, 2, 7, 8)), dim=1)
    assert torch.allclose(layer(image), plain(joined), atol=1e-6)
    layer(image).sum().backward()
    plain(joined).sum().backward()
    assert torch.allclose(layer.weight.grad, plain.weight.grad, atol=1e-3)
    assert layer.weight.grad[:, 3:].abs().min() > 0


def test_the_placebo_knows_no_position_without_padding():
    layer = ConstantConv2d(1, 4, 3)
    out = layer(torch.zeros(1, 1, 9, 9))
    assert torch.allclose(out, out[:, :, :1, :1].expand_as(out), atol=1e-6)
    out = CoordConv2d(1, 4, 3)(torch.zeros(1, 1, 9, 9))
    assert not torch.allclose(out, out[:, :, :1, :1].expand_as(out), atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 2}, "groups=2 is not possible"),
        ({"coordinate_init": "zeros"}, "'zeros'; did you mean 'zero'"),
        ({"with_r": "yes"}, "with_r='yes'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        CoordConv2d(4, 8, 3, **arguments)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 6, 9, 9), r"expects \(N, 4, H, W\) .* the coordinates not included, .*\(2, 6, 9, 9\)"),
        ((2, 9, 9, 4), "the channels seem to come last"),
        ((9, 9), r"\(9, 9\)"),
    ],
)
def test_wrong_images_are_named(shape, message):
    with pytest.raises(InputError, match=message):
        CoordConv2d(4, 8, 3)(torch.rand(shape))


def test_repr_says_what_it_is():
    text = repr(CoordConv2d(4, 8, 3, with_r=True))
    assert text.startswith("CoordConv2d(7, 8, kernel_size=(3, 3)")
    assert "with_r=True" in text


def test_a_pickle_keeps_the_frozen_import_path():
    file = io.BytesIO()
    torch.save(CoordConv2d(4, 8, 3), file)
    assert b"rl_coordconv.layers\nCoordConv2d" in file.getvalue() or (
        b"rl_coordconv.layers" in file.getvalue()
        and b"rl_coordconv.layers.conv" not in file.getvalue()
    )


def test_without_coordinates_restores_exactly_even_after_an_error():
    network = nn.Sequential(CoordConv2d(4, 8, 3), nn.ReLU(), ConstantConv2d(8, 2, 3))
    before = copy.deepcopy(network.state_dict())
    image = torch.rand(1, 4, 9, 9)
    whole = network(image)
    with pytest.raises(RuntimeError, match="inside"), without_coordinates(network):
        assert not torch.allclose(network(image), whole)
        for layer in (network[0], network[2]):
            assert torch.all(layer.coordinate_weight == 0)
            assert torch.all(layer.image_weight != 0)
        raise RuntimeError("inside")
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_layers_import_no_training_library():
    # Gymnasium is there: importing the package registers its environments, as ale_py does.
    code = (
        "import sys, rl_coordconv.layers; "
        "heavy = ('stable_baselines3', 'ale_py', 'cv2', 'matplotlib', 'tensorboard', 'pydantic'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
