"""Weights that are NaN or infinite are found, and large ones are not taken for such."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from rl_coordconv._util.errors import DivergedError
from rl_coordconv.training.callbacks import check_weights


def model(*values):
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(values).view(2, 2))
    return SimpleNamespace(policy=layer, num_timesteps=7)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_named(bad):
    with pytest.raises(DivergedError, match="weight has weights that are NaN or infinite after 7"):
        check_weights(model(1.0, bad, 2.0, 3.0))


def test_infinities_of_both_signs_do_not_cancel():
    with pytest.raises(DivergedError, match="weight"):
        check_weights(model(float("inf"), float("-inf"), 0.0, 0.0))


def test_a_sum_that_overflows_is_no_divergence():
    check_weights(model(3e38, 3e38, 3e38, 0.0))
    check_weights(model(-3e38, -3e38, 1.0, 2.0))
