"""Numbers that a run may not exceed, because of what its seeds promise."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunConfig
from rl_coordconv.runs.config import MAX_ENVS, MAX_SEED
from rl_coordconv.runs.seeds import MAX_ATTEMPTS, evaluation_seed, training_seed
from rl_coordconv.training.resolve import resolve_run


def test_as_many_environments_as_there_are_seeds_for():
    assert resolve_run("Pong", n_envs=MAX_ENVS).preset.n_envs == MAX_ENVS
    with pytest.raises(InputError, match="n_envs 1025 is not at most 1,024"):
        resolve_run("Pong", n_envs=MAX_ENVS + 1)


def test_a_configuration_built_otherwise_is_refused_too():
    config = resolve_run("Pong")
    values = dict(config)
    values["preset"] = config.preset.model_copy(update={"n_envs": 2048})
    with pytest.raises(InputError, match="n_envs 2048 is not at most 1024"):
        RunConfig.build(**values)


def test_the_last_environment_of_an_attempt_is_not_the_first_of_the_next():
    for attempt in range(3):
        assert training_seed(5, attempt) + MAX_ENVS - 1 < training_seed(5, attempt + 1)
    assert training_seed(5, MAX_ATTEMPTS - 1) + MAX_ENVS - 1 < evaluation_seed(5)
    assert evaluation_seed(5, MAX_ATTEMPTS - 1) + MAX_ENVS - 1 < training_seed(6)


@pytest.mark.parametrize("repetition", [-1, MAX_ATTEMPTS, 10**30])
def test_a_repetition_that_would_play_anothers_games_is_refused(repetition):
    with pytest.raises(InputError, match=f"repetition {repetition} is not between 0 and 63"):
        evaluation_seed(MAX_SEED, repetition)


def test_limits_do_not_change_a_configurations_identity():
    earlier = resolve_run("Pong", precision="fp32").model_copy(update={"format_version": 1})
    assert earlier.hash == "c463c04a"
    assert resolve_run("Breakout", agent="a2c", extractor="cnn", n_envs=8).hash == "e0761f3f"
