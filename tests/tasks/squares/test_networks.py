"""The networks of the coordinate tasks: the reference's parameter counts and shapes."""

import pytest
import torch
from torch import nn

from rl_coordconv.layers import CoordConv2d
from rl_coordconv.tasks.networks import count_parameters
from rl_coordconv.tasks.squares.inputs import position_inputs
from rl_coordconv.tasks.squares.networks import (
    ConvRegressor,
    CoordConvPainter,
    CoordConvRegressor,
    CoordConvRenderer,
    DeconvPainter,
    PooledConvRegressor,
    TiledCoordConv,
    begin_with_differences_,
)
from rl_coordconv.tasks.squares.recipe import SquaresRecipe

PAINTERS = [
    (lambda: CoordConvPainter(), 7_553),
    (lambda: CoordConvRenderer(1, 1), 8_074),
    (lambda: CoordConvRenderer(1, 3), 11_850),
    (lambda: CoordConvRenderer(2, 1), 9_490),
    (lambda: CoordConvRenderer(2, 3), 24_210),
    (lambda: DeconvPainter(1, 2), 46_465),
    (lambda: DeconvPainter(1, 3), 103_585),
    (lambda: DeconvPainter(1, 4), 183_553),
    (lambda: DeconvPainter(2, 2), 183_041),
    (lambda: DeconvPainter(2, 3), 409_921),
    (lambda: DeconvPainter(2, 4), 727_553),
    (lambda: DeconvPainter(3, 2), 409_729),
    (lambda: DeconvPainter(3, 3), 919_009),
    (lambda: DeconvPainter(3, 4), 1_632_001),
]
READERS = [
    (lambda: CoordConvRegressor(), 906),
    (lambda: ConvRegressor(1), 72_850),
    (lambda: ConvRegressor(2), 159_330),
    (lambda: PooledConvRegressor(1), 12_914),
]


@pytest.mark.parametrize(("make", "parameters"), PAINTERS)
def test_painters(make, parameters):
    network = make()
    assert count_parameters(network) == parameters
    assert network(torch.rand(2, 2)).shape == (2, 1, 64, 64)


@pytest.mark.parametrize(("make", "parameters"), READERS)
def test_readers(make, parameters):
    network = make()
    assert count_parameters(network) == parameters
    assert network(torch.rand(2, 1, 64, 64)).shape == (2, 2)


def test_the_tiled_layer_is_a_coordconv_on_a_painted_canvas():
    tiled, layer = TiledCoordConv(2, 5), CoordConv2d(2, 5, 1)
    layer.load_state_dict(tiled.state_dict())
    vectors = torch.rand(3, 2)
    expected = layer(vectors[:, :, None, None].expand(-1, -1, 64, 64))
    torch.testing.assert_close(tiled(vectors), expected)


def test_the_regressor_has_no_rectifier_and_ends_in_a_maximum():
    network = CoordConvRegressor()
    assert not [part for part in network.modules() if isinstance(part, nn.ReLU)]
    image = torch.rand(1, 1, 64, 64)
    maps = nn.Sequential(*list(network)[:5])(image)
    assert torch.equal(network(image), maps.amax(dim=(2, 3)))


def test_weights_are_drawn_as_he_et_al_do():
    torch.manual_seed(0)
    layer = DeconvPainter(2, 3)[4]  # 128 to 128 channels, 3x3
    assert layer.weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert layer.bias.abs().max() == 0


def test_beginning_with_differences_makes_the_first_layer_compare_places():
    painter = CoordConvPainter()
    begin_with_differences_(painter)
    places = torch.tensor([[10.0, 50.0], [13.0, 45.0]])
    recipe = SquaresRecipe(epochs=1, batch_size=1, learning_rate=0.1, inputs="scaled")
    seen = painter[0](position_inputs(places, recipe))
    # Nothing at the place itself, and the same at the same distance from it.
    assert torch.allclose(seen[0, :, 50, 10], torch.zeros(32), atol=1e-6)
    assert torch.allclose(seen[0, :, 50 + 6, 10 - 2], seen[1, :, 45 + 6, 13 - 2], atol=1e-6)
    assert seen[0, :, 50 + 6, 10 - 2].abs().max() > 0.01
    assert count_parameters(painter) == 7_553
