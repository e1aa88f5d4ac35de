"""Which proposals are learned from, and the loss on them, by hand."""

import pytest
import torch

from rl_coordconv.tasks.digits import detection_loss as losses
from rl_coordconv.tasks.digits.boxes import apply_deltas
from rl_coordconv.tasks.digits.detection_loss import detection_loss, smooth_l1
from rl_coordconv.tasks.digits.detector import Detector
from rl_coordconv.tasks.digits.sampling import SampledProposals, sample_proposals
from rl_coordconv.tasks.digits.scattered import Fields


def sample(overlap, is_inside=None, positives="released", seed=0):
    inside = torch.ones(len(overlap), dtype=torch.bool) if is_inside is None else is_inside
    return sample_proposals(overlap, inside, positives, torch.Generator().manual_seed(seed))


def pairs(sampled):
    return set(zip(sampled.positives.tolist(), sampled.boxes.tolist(), strict=True))


def test_every_box_has_its_closest_proposal_among_the_positives():
    overlap = torch.full((40, 3), 0.3)
    overlap[7, 0] = 0.9  # over a half, and box 0's closest
    overlap[9, 0] = 0.6
    overlap[5, 1] = 0.4  # box 1's closest, less than a half
    overlap[:, 2] = 0.0  # nothing overlaps box 2: the first proposal counts as closest
    assert pairs(sample(overlap)) == {(7, 0), (9, 0), (5, 1), (0, 2)}
    is_inside = torch.ones(40, dtype=torch.bool)
    is_inside[[0, 5, 7, 9]] = False
    assert pairs(sample(overlap, is_inside)) == {(7, 0), (5, 1), (0, 2)}  # 9 is none's closest


def test_a_proposal_can_stand_for_two_boxes():
    overlap = torch.zeros(30, 2)
    overlap[4] = torch.tensor([0.7, 0.6])
    assert pairs(sample(overlap)) == {(4, 0), (4, 1)}


def test_no_more_than_six_pairs_and_six_negatives_are_drawn():
    overlap = torch.full((60, 1), 0.05)
    overlap[:20] = 0.8
    drawn = [sample(overlap, seed=seed) for seed in range(120)]
    assert {len(one.positives) for one in drawn} == {6}
    assert {len(one.negatives) for one in drawn} == {6}
    assert {index for one in drawn for index in one.positives.tolist()} == set(range(20))
    assert {index for one in drawn for index in one.negatives.tolist()} == set(range(20, 60))
    assert torch.equal(drawn[3].negatives, sample(overlap, seed=3).negatives)


def test_negatives_lie_inside_and_are_no_boxs_closest():
    overlap = torch.full((12, 2), 0.05)
    overlap[3, 0], overlap[4, 1] = 0.09, 0.08  # the closest ones, under a tenth
    is_inside = torch.ones(12, dtype=torch.bool)
    is_inside[5] = False
    drawn = [sample(overlap, is_inside, seed=seed) for seed in range(30)]
    found = {index for one in drawn for index in one.negatives.tolist()}
    assert found == set(range(12)) - {3, 4, 5}


def test_six_candidates_or_fewer_are_no_negatives_at_all():
    overlap = torch.full((8, 1), 0.3)
    overlap[0] = 0.9
    overlap[2:8] = 0.05
    assert len(sample(overlap).negatives) == 0
    more = torch.cat((overlap, torch.full((1, 1), 0.05)))
    assert sorted(sample(more).negatives.tolist()) in [
        [one for one in range(2, 9) if one != left] for left in range(2, 9)
    ]


def test_without_candidates_whatever_is_not_positive_is_negative():
    overlap = torch.full((10, 1), 0.3)
    overlap[0] = 0.9
    drawn = {index for seed in range(30) for index in sample(overlap, seed=seed).negatives.tolist()}
    assert drawn == set(range(1, 10))


def test_by_overlap_alone_far_boxes_have_no_positives():
    overlap = torch.full((40, 2), 0.3)
    overlap[:3, 1] = 0.9
    overlap[10:30] = 0.05
    sampled = sample(overlap, positives="overlap")
    assert pairs(sampled) == {(0, 1), (1, 1), (2, 1)}
    assert len(sampled.negatives) == 9
    assert set(sampled.negatives.tolist()) <= set(range(10, 30))
    assert len(sample(torch.full((40, 2), 0.9), positives="overlap").positives) == 6


def test_smooth_l1_by_hand():
    differences = torch.tensor([[0.5, -1.0, 2.0, 0.0], [0.0, 0.0, -3.0, 0.1]])
    assert smooth_l1(differences).item() == pytest.approx((0.25 + 1 + 2 + 3 + 0.01) / 2)


@pytest.mark.parametrize("clips", [True, False])
def test_targets_lead_to_whole_boxes_and_overlaps_are_taken_of_cut_ones(monkeypatch, clips):
    """Whatever is clipped: a network that names the targets has no loss of deltas."""
    torch.manual_seed(0)
    detector = Detector("conv", width=4)
    boxes = torch.tensor([[[2.0, 30.0, 20.0, 20.0], [-40.0, 10.0, 20.0, 20.0]]])
    seen = {}

    def sample_first(overlap, inside, positives, draw):
        seen.update(overlap=overlap, inside=inside, positives=positives)
        return SampledProposals(torch.tensor([11]), torch.tensor([1]), torch.tensor([0]))

    monkeypatch.setattr(losses, "sample_proposals", sample_first)
    image = torch.rand(1, 1, 64, 64)
    loss = detection_loss(detector, Fields(image, boxes), torch.Generator(), clips=clips,
                          positives="released")  # fmt: skip
    target = losses.deltas_between(detector.anchors[11], boxes[0, 1])
    torch.testing.assert_close(apply_deltas(detector.anchors[11], target), boxes[0, 1])
    _, scores = detector(image)
    entropy = torch.nn.functional.cross_entropy(scores[0, [11, 0]], torch.tensor([0, 1]))
    torch.testing.assert_close(loss, entropy + smooth_l1(target[None]))
    assert seen["positives"] == "released"
    # Cut, the box outside is a sliver that no anchor lies near; the anchors at the edge lie inside.
    assert bool(seen["inside"].all()) is clips
