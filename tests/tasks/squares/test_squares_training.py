"""The training loop: gradients in pieces, L2, schedules, stopping, scores."""

import json
from functools import partial

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional as F

from rl_coordconv.tasks import fitting
from rl_coordconv.tasks.catalogue import find_task
from rl_coordconv.tasks.fitting import Problem, Samples, fit, make_optimizer
from rl_coordconv.tasks.recording import Recorder, TaskDirectory
from rl_coordconv.tasks.resolve import resolve_task
from rl_coordconv.tasks.squares import classification, regression, rendering
from rl_coordconv.tasks.squares.canvas import (
    onehot_images,
    pixel_indices,
    split_positions,
    square_images,
)
from rl_coordconv.tasks.squares.inputs import position_inputs
from rl_coordconv.tasks.squares.networks import (
    CoordConvPainter,
    CoordConvRegressor,
    CoordConvRenderer,
    DeconvPainter,
)
from rl_coordconv.tasks.squares.recipe import SquaresRecipe


def recipe(**changes):
    values = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01} | changes
    return SquaresRecipe(**values)


def few(count, task=classification, **changes):
    positions = split_positions("uniform").train[:count]
    return task._samples(positions, recipe(**changes))


@pytest.fixture
def recorder(tmp_path):
    config = resolve_task(find_task("classification"), model="coordconv")
    directory = TaskDirectory.create(config, tmp_path)
    with Recorder(directory, Console(quiet=True), "x", torch.device("cpu")) as opened:
        yield opened


def small_problem(network, **changes):
    return Problem(
        network=network,
        train=few(20),
        test=few(8),
        loss=classification._loss,
        score=classification.is_correct,
        metric="accuracy",
        is_solved=lambda accuracy: accuracy == 1.0,
        **changes,
    )


class SpyOptimizer(torch.optim.SGD):
    """Keeps the gradient of every step."""

    def __init__(self, network):
        super().__init__(network.parameters(), lr=0.0)
        self.network, self.seen = network, []

    def step(self):
        self.seen.append([part.grad.clone() for part in self.network.parameters()])


@pytest.mark.parametrize("make", [CoordConvPainter, partial(DeconvPainter, 1, 2)])
def test_pieces_add_up_to_the_batchs_gradient(make):
    torch.manual_seed(0)
    network = make()
    problem, optimizer = small_problem(network), SpyOptimizer(network)
    order = torch.arange(20)
    loss, accuracy = fitting._train_epoch(problem, problem.train, order, recipe(), optimizer)
    assert len(optimizer.seen) == 3  # 8, 8 and 4
    total = 0.0
    for indices, gradients in zip(order.split(8), optimizer.seen, strict=True):
        network.zero_grad()
        batch = problem.train.take(indices)
        mean = F.cross_entropy(network(batch.inputs).flatten(1), batch.targets)
        mean.backward()
        total += mean.item() * len(indices) / 20
        for gradient, part in zip(gradients, network.parameters(), strict=True):
            torch.testing.assert_close(gradient, part.grad, rtol=1e-3, atol=1e-5)
    assert loss == pytest.approx(total, rel=1e-4)
    assert 0 <= accuracy <= 1


def test_l2_is_on_the_kernels_of_convolutions_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 2))
    kernels, rest = make_optimizer(network, recipe(l2=0.25)).param_groups
    assert [id(part) for part in kernels["params"]] == [id(network[0].weight)]
    assert len(rest["params"]) == 5
    # Adam adds weight_decay * W to the gradient, and 0.25 * sum(W^2) has the gradient 0.5 * W.
    assert (kernels["weight_decay"], rest["weight_decay"]) == (0.5, 0)
    assert kernels["betas"] == (0.9, 0.99)


@pytest.mark.parametrize(
    ("schedule", "epoch", "factor"),
    [
        ("constant", 900, 1.0),
        ("step", 200, 1.0),
        ("step", 201, 0.1),
        ("step", 801, 1e-4),
        ("step", 5000, 1e-4),
        ("cosine", 1, 1.0),
        ("cosine", 501, 0.5),
    ],
)
def test_schedules(schedule, epoch, factor):
    optimizer = make_optimizer(nn.Linear(1, 1), recipe())
    fitting._set_learning_rate(optimizer, recipe(epochs=1000, schedule=schedule), epoch)
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(0.01 * factor)


def test_it_stops_after_so_many_flawless_epochs(recorder, monkeypatch):
    scores = iter([0.5, 1.0, 0.9, 1.0, 1.0, 1.0])
    monkeypatch.setattr(fitting, "_train_epoch", lambda *_: (0.0, next(scores)))
    result = fit(small_problem(CoordConvPainter()), recipe(epochs=6, stop_after=2), 0, recorder)
    assert result.epochs == 5


def test_a_fit_logs_every_epoch_and_scores_every_sample(recorder):
    torch.manual_seed(0)
    network = CoordConvPainter()
    result = fit(small_problem(network), recipe(epochs=3), seed=0, recorder=recorder)
    rows = [json.loads(line) for line in recorder.directory.metrics_file.read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 6, 9]  # 20 samples in batches of 8
    assert set(rows[0]) == {"step", "train/loss", "train/accuracy", "test/accuracy"}
    assert (len(result.train_scores), len(result.test_scores)) == (20, 8)
    assert rows[-1]["test/accuracy"] == pytest.approx(result.test_scores.mean().item())
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]
    assert result.seconds_to_solve is None


def test_the_same_seed_trains_the_same(recorder):
    def trained(seed):
        torch.manual_seed(1)
        network = CoordConvPainter()
        fit(small_problem(network), recipe(), seed, recorder)
        return network[0].weight.detach()

    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


def test_batch_normalisation_rests_while_scores_are_taken():
    torch.manual_seed(0)
    problem = small_problem(DeconvPainter(1, 2))
    before = problem.network[2].running_mean.clone()
    fitting.score_samples(problem, problem.train)
    assert torch.equal(problem.network[2].running_mean, before)
    assert problem.network.training


def test_scaled_inputs_are_the_coordinates_of_the_pixel():
    positions = torch.tensor([[4, 59], [0, 63]])
    assert position_inputs(positions, recipe()).tolist() == [[4.0, 59.0], [0.0, 63.0]]
    scaled = position_inputs(positions, recipe(inputs="scaled"))
    torch.testing.assert_close(scaled, torch.tensor([[8 / 63 - 1, 118 / 63 - 1], [-1.0, 1.0]]))


def test_scores_by_hand():
    logits = torch.zeros(2, 1, 64, 64)
    logits[0, 0, 10, 40] = logits[1, 0, 10, 41] = 1
    right = pixel_indices(torch.tensor([[40, 10], [40, 10]]))
    assert classification.is_correct(logits, right).tolist() == [1, 0]
    off = regression.pixel_distance(torch.tensor([[0.5, 0.25]]), torch.tensor([[0.5, 0.5]]))
    assert off.tolist() == [16.0]
    squares = square_images(torch.tensor([[30, 30], [31, 30]]))
    overlap = rendering.intersection_over_union(squares.flip(0) * 2 - 1, squares)
    torch.testing.assert_close(overlap, torch.full((2,), 72 / 90))
    assert rendering.intersection_over_union(-torch.ones(1, 1, 64, 64), squares[:1]) == 0
    centers = rendering.center_pixels(square_images(torch.tensor([[4, 59], [20, 7]])))
    assert centers.tolist() == [59 * 64 + 4, 7 * 64 + 20]


@pytest.mark.parametrize("seed", range(5))
def test_the_arranged_beginning_has_its_maximum_at_the_white_pixel(seed):
    torch.manual_seed(seed)
    task = find_task("regression")
    chosen = task.recipes("coordconv", "quadrant")["default"]
    positions = split_positions("quadrant").train
    train = regression._samples(positions)
    plain, network = CoordConvRegressor(), CoordConvRegressor()
    regression.arrange_beginning_(network, train, chosen)

    def distance_of_maximum(model):
        images = onehot_images(positions[::100])
        with torch.no_grad():
            maps = nn.Sequential(*list(model)[:5])(images)
        pixels = maps.flatten(2).argmax(dim=2)
        x, y = pixels % 64, pixels // 64
        far = torch.maximum(
            (x - positions[::100, :1]).abs(), (y - positions[::100, 1:]).abs()
        )  # fmt: skip
        return far.max()

    assert distance_of_maximum(network) <= 2  # within what two 3x3 convolutions reach
    assert distance_of_maximum(plain) > 2
    some = train.take(torch.arange(0, len(train), 8))
    with torch.no_grad():
        centered = (network(some.inputs) - some.targets).mean(dim=0)
    assert centered.abs().max() < 1e-3


def test_the_center_loss_is_added_where_there_is_a_center():
    torch.manual_seed(0)
    network = CoordConvRenderer()
    samples = few(4, rendering, inputs="scaled")
    plain, _ = rendering._loss(recipe(), network, samples)
    both, _ = rendering._loss(recipe(center_loss=0.5), network, samples)
    center = F.cross_entropy(
        network.painter(samples.inputs).flatten(1), rendering.center_pixels(samples.targets)
    )
    torch.testing.assert_close(both, plain + 0.5 * center)
    squared, logits = rendering._loss(recipe(loss="mse"), network, samples)
    torch.testing.assert_close(squared, (logits - samples.targets).square().mean())
    assert isinstance(samples, Samples)
