"""Both agents run the same programme, and nothing that can be seen differs.

Fifty programmes here; ``python -m pytest -m slow tests/agents/differential`` runs thousands
(``DIFFERENTIAL_EXAMPLES`` says how many).
"""

import os
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from programmes import OURS, STOCK, programmes, run
from stable_baselines3.common import policies

SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}

RELATIVE, ABSOLUTE = 2e-3, 1e-3
NEARLY_EQUAL, AMPLIFIED = 1e-4, 1e-2
"""Where a network's units are all dead, values hardly differ and with them advantages, which are
rounded to float32 and then divided by their standard deviation: rounding over rounding, which an
optimiser turns into steps of its learning rate."""
"""A tenth of what a step moves a weight: Adam and RMSprop turn the rounding of a gradient near
zero, which comes from float32 in the buffers, into nearly as much."""

ROUNDING = 4 * np.finfo(np.float32).eps
"""Of the largest value so far: what is left of float32 where such values cancel in a return."""


@pytest.fixture(scope="module", autouse=True)
def exact():
    """Everything in float64, and pixels divided there."""

    def preprocess(obs, observation_space, normalize_images=True):
        return obs.double() / 255 if normalize_images else obs.double()

    def mean_square(given, wanted):
        return (given - wanted).square().mean()

    original, policies.preprocess_obs = policies.preprocess_obs, preprocess
    # In torch 2.8 the loss has no gradient for float32 returns beside float64 values.
    loss, torch.nn.functional.mse_loss = torch.nn.functional.mse_loss, mean_square
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        policies.preprocess_obs = original
        torch.nn.functional.mse_loss = loss


def check(programme):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stock, ours = run(programme, STOCK), run(programme, OURS)
    absolute = ABSOLUTE
    for theirs, mine in zip(stock.facts, ours.facts, strict=False):
        assert mine[:2] == theirs[:2], f"seen {mine[:2]}, not {theirs[:2]}"
        where = f"{mine[0]}: {mine[1]}"
        assert mine[2].shape == theirs[2].shape, where
        if mine[1] == "train/explained_variance" and abs(theirs[2]) > 1e3:
            continue  # of returns that hardly differ: one over rounding
        if mine[2].dtype.kind in "biuUS":
            np.testing.assert_array_equal(mine[2], theirs[2], err_msg=where)
            assert mine[2].dtype == theirs[2].dtype, where
        else:
            is_normalized = programme.options["normalize_advantage"]
            if is_normalized and mine[1] == "values" and np.ptp(theirs[2]) < NEARLY_EQUAL:
                absolute = max(absolute, AMPLIFIED)
            if mine[1] == "values":
                absolute = max(absolute, ABSOLUTE + ROUNDING * np.abs(theirs[2]).max(initial=0))
            np.testing.assert_allclose(
                mine[2], theirs[2], rtol=RELATIVE, atol=absolute, err_msg=where
            )
    assert len(ours.facts) == len(stock.facts)


@pytest.mark.timeout(900)  # a minute and a half alone; many times that on a loaded machine
@settings(max_examples=50, derandomize=True, **SETTINGS)
@given(programmes())
def test_nothing_that_can_be_seen_differs(programme):
    check(programme)


@pytest.mark.slow
@pytest.mark.timeout(0)
@settings(max_examples=int(os.environ.get("DIFFERENTIAL_EXAMPLES", "2000")), **SETTINGS)
@given(programmes())
def test_nothing_that_can_be_seen_differs_in_thousands_of_programmes(programme):
    check(programme)
