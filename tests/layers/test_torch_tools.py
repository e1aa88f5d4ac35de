"""CoordConv2d and networks converted to it go through torch's tools as nn.Conv2d does."""

import copy
import io
import itertools
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.ao.quantization import quantize_fx
from torch.func import functional_call
from torch.fx.experimental import optimization
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import fusion, parametrizations, prune
from torch.utils.checkpoint import checkpoint

from rl_coordconv.layers import (
    AddCoords,
    ConstantConv2d,
    CoordConv2d,
    convert_to_coordconv,
    coordinate_channels,
)

pytestmark = [
    # torch says of TorchScript, and of its own quantisation, that they are deprecated
    pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning"),
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning"),
    pytest.mark.filterwarnings("ignore:The TorchScript type system doesn't:UserWarning"),
    pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning"),  # Python 3.13.0
]


class Concatenating(nn.Module):
    """What a layer with extra channels computes, by nn.Conv2d on concatenated channels."""

    def __init__(self, layer):
        super().__init__()
        self.kind, self.with_r, self.scale = type(layer), layer.with_r, layer.coordinate_scale
        self.conv = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            bias=layer.bias is not None,
            padding_mode=layer.padding_mode,
            dtype=layer.weight.dtype,
        )
        self.conv.load_state_dict(layer.state_dict())

    def forward(self, image):
        extra = coordinate_channels(*image.shape[-2:], self.with_r, dtype=image.dtype)
        if self.kind is ConstantConv2d:
            extra = torch.ones_like(extra)
        extra = (extra * self.scale).expand(*image.shape[:-3], -1, -1, -1)
        return self.conv(torch.cat((image, extra), dim=-3))


def original():
    """Return a network with two convolutions."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 4, (2, 3), stride=2, padding=1, padding_mode="reflect", bias=False),
    )
    nn.init.uniform_(network[1].running_mean)
    nn.init.uniform_(network[1].running_var, 1, 2)
    return network.eval()


def converted():
    """Return the network with coordinates that it looks at."""
    network = convert_to_coordconv(original(), "all", with_r=True)
    for layer in (network[0], network[3]):
        nn.init.normal_(layer.coordinate_weight)
    return network


def reference_of(subject):
    """Return the same network or layer with concatenated channels."""
    if isinstance(subject, nn.Conv2d):
        return Concatenating(subject)
    parts = [copy.deepcopy(part) for part in subject]
    parts = [Concatenating(part) if isinstance(part, nn.Conv2d) else part for part in parts]
    return nn.Sequential(*parts).eval()


SUBJECTS = {
    "network": (original, converted),
    "layer": (
        lambda: nn.Conv2d(3, 5, (2, 3), padding="same"),
        lambda: CoordConv2d(3, 5, (2, 3), padding="same", coordinate_scale=2),
    ),
    "placebo": (
        lambda: nn.Conv2d(3, 5, 3, padding="valid"),
        lambda: ConstantConv2d(3, 5, 3, padding="valid", with_r=True),
    ),
}


def through_a_file(save, load, thing):
    file = io.BytesIO()
    save(thing, file)
    file.seek(0)
    return load(file)


def exported(network, image, is_dynamic=True, **options):
    sizes = {
        0: torch.export.Dim("batch", max=64),
        2: torch.export.Dim("height", min=4, max=64),
        3: torch.export.Dim("width", min=4, max=64),
    }
    shapes = (sizes if is_dynamic else None,)
    return torch.export.export(network, (image,), dynamic_shapes=shapes, **options)


def compiled(network):
    torch._dynamo.reset()
    return torch.compile(network, fullgraph=True, backend="eager", dynamic=True)


def with_other_parameters(network):
    given = {name: each.detach().clone() for name, each in network.state_dict().items()}
    for each in network.parameters():
        each.data.zero_()
    return lambda image: functional_call(network, given, (image,))


def from_meta(network):
    state = {name: each.clone() for name, each in network.state_dict().items()}
    network = copy.deepcopy(network).to("meta")
    assert network(torch.empty(2, 3, 9, 8, device="meta")).device.type == "meta"
    network.load_state_dict(state, assign=True)
    return network


def emptied(network):
    state = {name: each.clone() for name, each in network.state_dict().items()}
    network = copy.deepcopy(network).to("meta").to_empty(device="cpu")
    network.load_state_dict(state)
    return network


def scripted(network):
    with torch.no_grad():
        network(torch.rand(1, 3, 6, 6))  # a layer that holds a map can be compiled too
    return torch.jit.script(network)


class Tool:
    """One of torch's tools: from a network and an image to something that computes the same."""

    def __init__(self, apply, trains=True, any_size=True):
        self.apply = apply
        self.trains = trains  # whether gradients reach the network's own parameters
        self.any_size = any_size


TOOLS = {
    "fx": Tool(lambda net, _: torch.fx.symbolic_trace(net)),
    "fx, twice": Tool(lambda net, _: torch.fx.symbolic_trace(torch.fx.symbolic_trace(net))),
    "fx, pickled": Tool(
        lambda net, _: pickle.loads(pickle.dumps(torch.fx.symbolic_trace(net))), trains=False
    ),
    "fx, then script": Tool(lambda net, _: torch.jit.script(torch.fx.symbolic_trace(net))),
    "fx, fused": Tool(lambda net, _: optimization.fuse(net), trains=False),
    "make_fx": Tool(lambda net, image: make_fx(net)(image), any_size=False),
    "trace": Tool(lambda net, image: torch.jit.trace(net, (image,))),
    "script": Tool(lambda net, _: scripted(net)),
    "script, saved": Tool(
        lambda net, _: through_a_file(torch.jit.save, torch.jit.load, scripted(net)), trains=False
    ),
    "script, frozen": Tool(lambda net, _: torch.jit.freeze(scripted(net).eval()), trains=False),
    "export": Tool(lambda net, image: exported(net, image, False).module(), any_size=False),
    "export, dynamic": Tool(lambda net, image: exported(net, image).module()),
    "export, strict": Tool(lambda net, image: exported(net, image, strict=True).module()),
    "export, saved": Tool(
        lambda net, image: through_a_file(
            torch.export.save, torch.export.load, exported(net, image)
        ).module(),
        trains=False,
    ),
    "compile": Tool(lambda net, _: compiled(net)),
    "vmap over images": Tool(lambda net, _: torch.vmap(lambda image: net(image[None])[0])),
    "functional_call": Tool(lambda net, _: with_other_parameters(net), trains=False),
    "checkpoint": Tool(lambda net, _: lambda image: checkpoint(net, image, use_reentrant=False)),
    "checkpoint, reentrant": Tool(
        lambda net, _: lambda image: checkpoint(net, image, use_reentrant=True)
    ),
    "deepcopy": Tool(lambda net, _: copy.deepcopy(net), trains=False),
    "pickle": Tool(lambda net, _: pickle.loads(pickle.dumps(net)), trains=False),
    "meta, assigned": Tool(lambda net, _: from_meta(net), trains=False),
    "meta, emptied": Tool(lambda net, _: emptied(net), trains=False),
    "shared memory": Tool(lambda net, _: net.share_memory()),
    "channels last": Tool(lambda net, _: net.to(memory_format=torch.channels_last)),
    "average": Tool(lambda net, _: torch.optim.swa_utils.AveragedModel(net), trains=False),
}


def observe(run, image, parameters):
    """Return what a network gives, and the gradients of its square."""
    image = image.clone().requires_grad_()
    output = run(image)
    for each in parameters:
        each.grad = None
    output.square().sum().backward()
    return [output.detach(), image.grad, *(each.grad for each in parameters)]


def assert_equal(given, expected):
    assert len(given) == len(expected)
    for ours, theirs in zip(given, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


# Those left out take seconds each; compiled layers are in test_conv.py.
@pytest.mark.parametrize(
    ("name", "subject"),
    [
        (name, subject)
        for name, subject in itertools.product(TOOLS, SUBJECTS)
        if subject == "network" or name not in ("compile", "export, strict", "export, saved")
    ],
)
def test_the_tool_computes_the_same_as_without_it(name, subject):
    tool = TOOLS[name]
    image, other = torch.rand(2, 3, 9, 8), torch.rand(3, 3, 6, 11)
    plain, ours = (build() for build in SUBJECTS[subject])
    for network, expecting in ((plain, copy.deepcopy(plain)), (ours, reference_of(ours))):
        run = tool.apply(network, image)
        parameters, expected_of = (
            list(each.parameters()) if tool.trains else [] for each in (network, expecting)
        )
        for each in (image, other) if tool.any_size else (image,):
            expected = observe(expecting, each, expected_of)
            assert_equal(observe(run, each, parameters), expected)
            with torch.no_grad():
                assert_equal([run(each)], expected[:1])


@pytest.mark.parametrize("apply", [
    torch.fx.symbolic_trace,
    torch.jit.script,
    lambda module: torch.jit.trace(module, (torch.rand(2, 3, 9, 8),)),
    lambda module: exported(module, torch.rand(2, 3, 9, 8)).module(),
])  # fmt: skip
def test_add_coords_too(apply):
    run = apply(AddCoords(with_r=True))
    for shape in ((2, 3, 9, 8), (3, 3, 6, 11)):
        image = torch.rand(shape)
        assert torch.equal(run(image), AddCoords(with_r=True)(image))


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("layer_class", [CoordConv2d, ConstantConv2d])
@pytest.mark.parametrize("mapped", [
    chosen
    for count in (1, 2, 3)
    for chosen in itertools.combinations(("weight", "bias", "image"), count)
], ids="+".join)  # fmt: skip
def test_vmap_over_any_of_parameters_and_images(mapped, layer_class, is_training):
    torch.manual_seed(0)
    layer = layer_class(3, 4, 3, padding=1)
    given = {name: each.detach() for name, each in layer.named_parameters()}
    given["image"] = torch.rand(2, 3, 6, 7)
    several = {name: torch.stack([given[name] * factor for factor in (1, 2, 3)]) for name in mapped}

    def run(several):
        values = given | several
        return functional_call(layer, values, (values.pop("image"),))

    with torch.set_grad_enabled(is_training):
        together = torch.vmap(run)(several)
        for index in range(3):
            values = given | {name: each[index] for name, each in several.items()}
            reference = reference_of(layer)
            reference.conv.load_state_dict({name: values[name] for name in ("weight", "bias")})
            assert_equal([together[index]], [reference(values["image"])])


def test_derivatives_of_torch_func():
    network = converted().double()
    reference = reference_of(network)
    image, direction = torch.rand(2, 2, 3, 6, 5, dtype=torch.float64)
    for derive in (torch.func.jacrev, torch.func.jacfwd):
        assert_equal([derive(network)(image)], [derive(reference)(image)])
    ours, theirs = (torch.func.jvp(net, (image,), (direction,))[1] for net in (network, reference))
    assert_equal([ours], [theirs])


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_derivatives_by_one_parameter(name):
    layer = CoordConv2d(2, 3, 2, dtype=torch.float64)
    reference = reference_of(layer)
    image = torch.rand(4, 2, 4, 5, dtype=torch.float64)
    value = getattr(layer, name).detach()

    def ours(value):
        return functional_call(layer, {name: value}, (image,))

    def theirs(value):
        return functional_call(reference, {f"conv.{name}": value}, (image,))

    for derive in (torch.func.jacrev, torch.func.jacfwd):
        assert_equal([derive(ours)(value)], [derive(theirs)(value)])
    direction = torch.rand_like(value)
    assert_equal(
        torch.func.jvp(ours, (value,), (direction,)), torch.func.jvp(theirs, (value,), (direction,))
    )
    squares = [lambda value, run=run: run(value).square().sum() for run in (ours, theirs)]
    assert_equal(*([torch.func.hessian(square)(value)] for square in squares))


def test_gradients_of_each_image():
    layer = CoordConv2d(3, 4, 3)
    image = torch.rand(5, 3, 6, 7)
    given = {name: each.detach() for name, each in layer.named_parameters()}

    def loss(parameters, image):
        return functional_call(layer, parameters, (image,)).square().sum()

    together = torch.vmap(torch.func.grad(loss), (None, 0))(given, image)
    for index in range(5):
        alone = observe(layer, image[index], list(layer.parameters()))[2:]
        assert_equal([each[index] for each in together.values()], alone)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("is_training", [True, False])
def test_autocast(dtype, is_training):
    network = converted()
    reference = reference_of(network)
    image = torch.rand(2, 3, 9, 8)
    with torch.autocast("cpu", dtype=dtype), torch.set_grad_enabled(is_training):
        ours, theirs = network(image), reference(image)
    assert ours.dtype == theirs.dtype == dtype
    assert (ours - theirs).abs().max() <= 8 * torch.finfo(dtype).eps * theirs.abs().max()


def test_complex_numbers():
    layer = CoordConv2d(2, 3, 2, dtype=torch.complex128)
    image = torch.rand(4, 2, 4, 5, dtype=torch.complex128)
    torch.testing.assert_close(layer(image), reference_of(layer)(image), atol=1e-12, rtol=1e-12)


REPARAMETRISATIONS = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "prune": lambda layer: prune.random_unstructured(layer, "weight", 0.5),
}
LOOKING_IN = {
    "nothing": lambda network, image: network,
    "fx": lambda network, image: torch.fx.symbolic_trace(network),
    "trace": lambda network, image: torch.jit.trace(network, (image,)),
    "export": lambda network, image: exported(network, image).module(),
}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # of orthogonal itself
@pytest.mark.filterwarnings("ignore:The tensor attribute .* was assigned during export:UserWarning")
@pytest.mark.parametrize("tool", LOOKING_IN)
@pytest.mark.parametrize("change", REPARAMETRISATIONS)
def test_a_weight_that_is_computed(change, tool):
    torch.manual_seed(0)
    layer = CoordConv2d(3, 4, 3)
    reference = reference_of(layer)
    for conv in (layer, reference.conv):
        torch.manual_seed(1)
        REPARAMETRISATIONS[change](conv).eval()
    image = torch.rand(2, 3, 9, 8)
    run = LOOKING_IN[tool](nn.Sequential(layer), image)
    assert_equal(observe(run, image, []), observe(reference, image, []))
    with torch.no_grad():
        assert_equal([run(image)], [reference(image)])


def test_hooks_act_once_in_a_traced_network():
    network = converted()
    for part in network:
        part.register_forward_hook(lambda module, given, output: output * 2)
    image = torch.rand(2, 3, 9, 8)
    assert_equal([torch.fx.symbolic_trace(network)(image)], [network(image)])


def test_a_traced_network_is_converted():
    network, image = original(), torch.rand(2, 3, 9, 8)
    traced = convert_to_coordconv(torch.fx.symbolic_trace(network), "all")
    assert [type(part) for part in traced.children()].count(CoordConv2d) == 2
    assert_equal([traced(image)], [network(image)])


def test_batch_norm_is_folded_into_a_layer():
    network, image = converted(), torch.rand(2, 3, 9, 8)
    fused = fusion.fuse_conv_bn_eval(network[0], network[1])
    assert type(fused) is CoordConv2d
    assert_equal([fused(image)], [network[1](network[0](image))])


def fuse_batch_norm(is_qat, conv, norm):
    return fusion.fuse_conv_bn_eval(conv, norm)


def test_fuse_modules_needs_a_mapping():
    network, image = converted(), torch.rand(2, 3, 9, 8)
    with pytest.raises(AssertionError, match="did not find fuser method for.*CoordConv2d"):
        torch.ao.quantization.fuse_modules(network, ["0", "1"])
    mapping = {(CoordConv2d, nn.BatchNorm2d): fuse_batch_norm}
    fused = torch.ao.quantization.fuse_modules(
        network,
        ["0", "1"],
        fuse_custom_config_dict={"additional_fuser_method_mapping": mapping},
    )
    assert [type(part) for part in fused] == [CoordConv2d, nn.Identity, nn.ReLU, CoordConv2d]
    assert_equal([fused(image)], [converted()(image)])


def test_neighbours_are_quantised_and_the_layer_is_not():
    image = torch.rand(8, 3, 9, 8)
    parts = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 2), nn.Flatten(), nn.Linear(120, 5)]
    torch.manual_seed(0)
    plain = nn.Sequential(*parts).eval()
    network = convert_to_coordconv(copy.deepcopy(plain), "first")
    nn.init.normal_(network[0].coordinate_weight)
    mapping = torch.ao.quantization.get_default_qconfig_mapping()
    for net, expected_names in ((plain, ["0", "2", "4"]), (network, ["2", "4"])):
        prepared = quantize_fx.prepare_fx(net, mapping, (image,))
        prepared(image)
        quantised = quantize_fx.convert_fx(prepared)
        is_quantised = {
            name: "quantized" in type(part).__module__ for name, part in quantised.named_modules()
        }
        assert [name for name in ("0", "2", "4") if is_quantised[name]] == expected_names
        expected = net(image)
        assert (quantised(image) - expected).abs().max() <= 0.05 * expected.abs().max()


def test_what_the_first_version_saved_still_loads():
    path = Path(__file__).parent / "layers-0.1.0.pt"
    network = torch.load(path, weights_only=False)
    torch.manual_seed(1)
    image = torch.rand(1, 2, 3, 3)
    expected = torch.tensor([
        [-0.3606923818588257, -0.10259827226400375, 0.17084577679634094, -0.3606923818588257],
        [0.1796245276927948, 0.2867104113101959, 0.19845491647720337, 0.1796245276927948],
        [-0.11977636069059372, -0.008531272411346436, -0.09886419028043747, -0.11977636069059372],
        [-0.3606923818588257, -0.10259827226400375, 0.17084577679634094, -0.3606923818588257],
    ])  # fmt: skip
    torch.testing.assert_close(network(image)[0, 0], expected)
    assert [type(part) for part in network[::2]] == [CoordConv2d, ConstantConv2d]
    assert_equal([torch.jit.script(network)(image)[0, 0]], [expected])
