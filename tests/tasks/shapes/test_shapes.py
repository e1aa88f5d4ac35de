"""Two objects: the scene, their places found again, the networks, and the GAN."""

import math

import pytest
import torch
from rich.console import Console

from rl_coordconv.tasks.catalogue import find_task
from rl_coordconv.tasks.networks import count_parameters
from rl_coordconv.tasks.resolve import resolve_task
from rl_coordconv.tasks.run import run_task
from rl_coordconv.tasks.shapes.data import Scene
from rl_coordconv.tasks.shapes.generation import Gan, make_networks, measure
from rl_coordconv.tasks.shapes.networks import (
    NOISE,
    CoordConvGenerator,
    DeconvGenerator,
    Discriminator,
    draw_noise,
)
from rl_coordconv.tasks.shapes.positions import dimension, find_objects, occupied, spread
from rl_coordconv.tasks.table import table_rows


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_objects_are_inside_and_apart():
    scene = Scene()
    centers = scene.draw_centers(500, draw())
    assert centers.shape == (500, 2, 2)
    assert centers.min() >= 10
    assert centers.max() <= 53
    assert (centers[:, 0] - centers[:, 1]).float().norm(dim=1).min() >= 20
    assert Scene(32).radius == 5


def test_a_scene_by_hand():
    scene = Scene(32)
    centers = torch.tensor([[[8, 20], [24, 6]]])
    image = scene.paint(centers, torch.tensor([[False, True]]))[0]
    assert image.shape == (3, 32, 32)
    red = (image == torch.tensor([1.0, -1, -1])[:, None, None]).all(dim=0)
    blue = (image == torch.tensor([-1.0, -1, 1])[:, None, None]).all(dim=0)
    white = (image == 1).all(dim=0)
    assert red.sum() == 11 * 11  # a square
    assert red[15:26, 3:14].all()
    assert blue.sum() == 81  # pixels within a radius of 5
    assert blue[6, 24]
    assert blue[6, 29]
    assert not blue[2, 20]
    assert (red | blue | white).all()


def test_places_are_found_again():
    scene = Scene()
    centers = scene.draw_centers(200, draw(1))
    # Squares that are 20 pixels apart along a diagonal cover each other's corners.
    clear = (centers[:, 0] - centers[:, 1]).abs().amax(dim=1) > 20
    centers = centers[clear][:100]
    assert len(centers) == 100
    images = scene.paint(centers, torch.rand(100, 2) < 0.5)
    torch.testing.assert_close(find_objects(images, scene), centers.float())


def test_what_is_no_object_has_no_place():
    scene = Scene(32)
    nothing = find_objects(torch.ones(1, 3, 32, 32), scene)
    assert nothing.isnan().all()
    all_red = torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert find_objects(all_red, scene).isnan().all()
    nowhere = {"found": 0.0, "spread": 0.0, "occupied": 0.0, "dimension": 0.0}
    assert measure(all_red, scene) == nowhere


def test_the_spread_of_a_plane_a_line_and_a_point():
    scene = Scene()
    cell = torch.arange(10) * 4.4 + 12.2
    plane = torch.stack(torch.meshgrid(cell, cell, indexing="xy"), dim=-1).view(-1, 2)
    assert spread(plane, scene) == pytest.approx(100, rel=1e-4)
    assert spread(plane[:10], scene) == pytest.approx(10, rel=1e-4)
    assert spread(plane[:1], scene) == pytest.approx(1)
    uneven = torch.cat((plane[:1].expand(3, -1), plane[1:2]))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert spread(uneven, scene) == pytest.approx(math.exp(entropy))
    assert spread(torch.full((5, 2), torch.nan), scene) == 0
    assert occupied(plane, scene) == 1
    assert occupied(torch.cat((uneven, torch.full((5, 2), torch.nan))), scene) == pytest.approx(
        0.02
    )


@pytest.mark.parametrize("side", [32, 64])
def test_the_dimension_tells_a_ring_from_places_that_go_anywhere(side):
    scene = Scene(side)
    anywhere = scene.draw_centers(1000, draw()).float()
    assert 3.3 < dimension(anywhere, scene) < 4.2
    angle = torch.rand(1000, generator=draw()) * 2 * math.pi
    ring = side / 2 + 0.3 * side * torch.stack((angle.cos(), angle.sin()), dim=1)
    opposite = torch.stack((ring, side - ring), dim=1)
    assert dimension(opposite, scene) == pytest.approx(1, abs=0.1)
    one_moves = torch.stack((anywhere[:, 0], anywhere[:1, 1].expand(1000, -1)), dim=1)
    assert dimension(one_moves, scene) == pytest.approx(1.8, abs=0.25)
    assert dimension(anywhere[:1].expand(1000, -1, -1), scene) == 0
    assert dimension(anywhere[:99], scene) == 0
    hidden = anywhere.clone()
    hidden[50:, 1] = torch.nan
    assert dimension(hidden, scene) == 0


def test_the_released_recipe_has_the_released_optimiser():
    found = find_task("generation").recipes("conv", "all")
    assert (found["paper"].beta1, found["paper"].beta2, found["paper"].side) == (0.9, 0.99, 64)
    gan = Gan(*make_networks("conv", found["default"]), found["default"], torch.device("cpu"))
    for optimizer in (gan._generator_optimizer, gan._discriminator_optimizer):
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)


def test_the_released_codes_generators():
    assert count_parameters(DeconvGenerator()) == 6_413_315
    assert count_parameters(CoordConvGenerator()) == 444_931


@pytest.mark.parametrize("side", [16, 32, 64])
def test_every_size_fits(side):
    noise = draw_noise(2, draw())
    assert noise.shape == (2, NOISE)
    assert -1 <= noise.min() < -0.9
    for generator in (DeconvGenerator(side, 32), CoordConvGenerator(side, 32)):
        images = generator(noise)
        assert images.shape == (2, 3, side, side)
    for coordinates in (False, True):
        assert Discriminator(side, 8, coordinates)(images).shape == (2,)


@pytest.mark.parametrize("model", ["conv", "coordconv"])
def test_only_the_transposed_convolutions_end_in_a_tanh(model):
    recipe = find_task("generation").recipes(model, "all")["default"]
    recipe = recipe.model_copy(update={"side": 16, "width": 32})
    generator, discriminator = make_networks(model, recipe)
    last = [layer for layer in generator.modules() if hasattr(layer, "weight")][-1]
    torch.nn.init.constant_(last.bias, 30.0)  # far beyond every colour
    assert (generator(draw_noise(2, draw())).max() > 1) == (model == "coordconv")
    gan = Gan(generator, discriminator, recipe, torch.device("cpu"))
    assert gan.generate(2, draw()).max() == 1


def test_the_noise_is_the_same_at_every_pixel():
    generator = CoordConvGenerator(16, 32)
    noise = draw_noise(2, draw())
    painted = noise[:, :, None, None].expand(-1, -1, 16, 16)
    expected = generator.rest(generator.first(painted))
    torch.testing.assert_close(generator(noise), expected)


@pytest.mark.parametrize("model", ["conv", "coordconv"])
def test_the_gan_trains_to_its_results(tmp_path, model):
    task = find_task("generation")
    changes = {
        "epochs": 1, "train_images": 32, "batch_size": 8, "side": 16, "width": 16, "samples": 60,
    }  # fmt: skip
    config = resolve_task(task, model=model, changes=changes)
    directory, results = run_task(task, config, tmp_path, Console(quiet=True))
    assert results["spread_of_real_images"] > 30
    assert 0 <= results["relative_spread"] < 1
    assert results["relative_spread"] == pytest.approx(
        results["test_spread"] / results["spread_of_real_images"]
    )
    assert (directory.figures / "generated.png").stat().st_size > 5_000
    (row,) = table_rows([(task, config)], tmp_path)
    assert (row.scores, row.train_scores, row.solved) == ((results["relative_spread"],), (), None)
    directory.results_file.unlink()
    again = run_task(task, config, tmp_path, Console(quiet=True))[1]
    assert again["test_spread"] == results["test_spread"]
