"""Boxes by hand: deltas, overlaps, suppression."""

import pytest
import torch

from rl_coordconv.tasks.digits.anchors import make_anchors
from rl_coordconv.tasks.digits.boxes import (
    apply_deltas,
    clip,
    deltas_between,
    lie_inside,
    pairwise_iou,
    suppress,
)


def test_deltas_and_back():
    before = torch.tensor([[10.0, 20.0, 4.0, 8.0]])
    deltas = torch.tensor([[0.5, -0.25, 0.0, torch.log(torch.tensor(2.0))]])
    after = apply_deltas(before, deltas)
    torch.testing.assert_close(after, torch.tensor([[12.0, 18.0, 4.0, 16.0]]))
    torch.testing.assert_close(deltas_between(before, after), deltas)


def test_overlaps_by_hand():
    boxes = torch.tensor([[5.0, 5.0, 10.0, 10.0], [5.0, 10.0, 10.0, 10.0], [50.0, 50.0, 4.0, 4.0]])
    overlap = pairwise_iou(boxes, boxes)
    expected = torch.tensor([[1.0, 1 / 3, 0.0], [1 / 3, 1.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(overlap, expected)
    both = pairwise_iou(boxes[None].expand(2, -1, -1), boxes[None, :1].expand(2, -1, -1))
    assert both.shape == (2, 3, 1)
    nothing = torch.tensor([[0.0, 5.0, 0.0, 10.0]])
    assert pairwise_iou(boxes, nothing).max() == 0


def test_boxes_are_cut_to_slivers_at_the_edge():
    boxes = torch.tensor([[0.0, 60.0, 10.0, 20.0], [-20.0, 90.0, 10.0, 4.0], [30.0, 30, 4, 6]])
    cut = clip(boxes, 64)
    assert cut[0].tolist() == [2.5, 56.5, 5.0, 13.0]  # rows 0 to 5, columns 50 to 63
    assert cut[1].tolist() == [0.5, 62.5, 1.0, 1.0]  # nothing of it is seen: a pixel in the corner
    assert torch.equal(cut[2], boxes[2])


def test_what_lies_inside():
    boxes = torch.tensor(
        [[5.0, 5, 10, 10], [4.9, 5, 10, 10], [58.0, 58, 10, 10], [58.1, 58, 10, 10]]
    )
    assert lie_inside(boxes, 64).tolist() == [True, False, True, False]
    assert lie_inside(boxes.view(2, 2, 4), 64).shape == (2, 2)


def test_the_better_of_two_boxes_on_one_place_is_kept():
    boxes = torch.tensor([[5.0, 5, 10, 10], [5.0, 6, 10, 10], [30.0, 30, 10, 10], [5.0, 5, 10, 11]])
    scores = torch.tensor([0.8, 0.9, 0.1, 0.7])
    # Overlap of the first two: 90 / 110 = 0.82; of the second and the last: 9.5 of 11.5.
    assert suppress(boxes, scores, 0.8, 10).tolist() == [1, 2]
    assert suppress(boxes, scores, 0.85, 10).tolist() == [1, 0, 2]
    assert suppress(boxes, scores, 0.85, 2).tolist() == [1, 0]


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_suppression_at_its_limits(threshold):
    boxes = make_anchors("ordered", "valid")[:9]
    kept = suppress(boxes, torch.arange(9.0), threshold, 10)
    assert kept[0] == 8
    assert len(kept) == (1 if threshold == 0 else 9)
