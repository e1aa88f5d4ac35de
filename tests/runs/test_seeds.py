"""No two runs, attempts or purposes share an environment seed."""

import itertools

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs.config import MAX_SEED
from rl_coordconv.runs.seeds import MAX_ATTEMPTS, MAX_ENVS, evaluation_seed, training_seed


def test_blocks_of_runs_attempts_and_evaluations_do_not_overlap():
    firsts = sorted(
        function(seed, number)
        for function, seed, number in itertools.product(
            (training_seed, evaluation_seed), (0, 1, 2), range(MAX_ATTEMPTS)
        )
    )
    assert len(set(firsts)) == 2 * 3 * MAX_ATTEMPTS
    gaps = {later - earlier for earlier, later in itertools.pairwise(firsts)}
    assert gaps == {MAX_ENVS}


def test_the_last_seed_fits_what_ale_takes():
    last = evaluation_seed(MAX_SEED, MAX_ATTEMPTS - 1) + MAX_ENVS - 1
    assert last == 2**31 - 1


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(InputError, match=f"seed {seed} is not between 0 and 16383"):
        training_seed(seed)
