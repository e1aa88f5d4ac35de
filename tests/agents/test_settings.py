"""Single hyperparameters over a preset's: what is accepted, as what, and what is refused."""

import pytest

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.agents.presets import load_agent_preset
from rl_coordconv.agents.settings import with_settings
from rl_coordconv.cli.options import number_or_text, parse_settings
from rl_coordconv.training.resolve import resolve_run


def changed(agent="ppo", **settings):
    return with_settings(load_agent_preset(agent), settings, agent=agent)


def test_what_people_type_in_a_shell_is_a_number():
    pairs = ("learning_rate=1e-4", "n_timesteps=1e6", "clip_range=lin_1e-1", "target_kl=null",
             "normalize_advantage=false", "gamma=.98", "optimizer_kwargs.eps=1E-5")  # fmt: skip
    settings = parse_settings(pairs)
    assert settings == {
        "learning_rate": 1e-4, "n_timesteps": 1_000_000, "clip_range": "lin_1e-1",
        "target_kl": None, "normalize_advantage": False, "gamma": 0.98,
        "optimizer_kwargs.eps": 1e-5,
    }  # fmt: skip
    assert type(settings["n_timesteps"]) is int
    preset = changed(**settings)
    assert (preset.learning_rate, preset.n_timesteps, preset.gamma) == (1e-4, 1_000_000, 0.98)
    assert preset.optimizer_kwargs == {"eps": 1e-5}
    assert preset.target_kl is None


@pytest.mark.parametrize("word", ["lin_1e-4", "1e", "e5", ".", "1_0e3", "٣", "nan", "inf", "0x10"])
def test_what_is_no_plain_number_stays_a_word(word):
    assert number_or_text(word) == word


def test_a_key_of_a_mapping_leaves_its_others():
    preset = changed("a2c", **{"optimizer_kwargs.momentum": 0.5})
    before = load_agent_preset("a2c").optimizer_kwargs
    assert preset.optimizer_kwargs == before | {"momentum": 0.5}
    both = {"optimizer_kwargs.eps": 1e-3, "optimizer_kwargs": {"weight_decay": 0.1}}
    assert changed(**both).optimizer_kwargs == {"weight_decay": 0.1, "eps": 1e-3}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"learning_rat": 0.1}, UnknownNameError,
         "unknown hyperparameter of agent ppo 'learning_rat'; did you mean 'learning_rate'"),
        ({"optimiser_kwargs.eps": 0.1}, UnknownNameError, "optimiser_kwargs.eps"),
        ({"algorithm": "a2c"}, InputError, "algorithm cannot be set over ppo's 'ppo'"),
        ({"gamma.x": 1}, InputError, "'gamma.x' cannot be set: gamma holds no keys"),
        ({"gamma": 1.5}, InputError, "gamma: .*less than or equal to 1, got 1.5"),
        ({"n_steps": 64.5}, InputError, "n_steps: .*got 64.5"),
        ({"optimizer_kwargs.epz": 0.1}, InputError, "takes no 'epz' here; did you mean 'eps'"),
        ({"learning_rate": "fast"}, InputError, "'fast' is neither a number nor a schedule"),
    ],
)  # fmt: skip
def test_what_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        changed(**settings)


def test_another_algorithms_hyperparameter_is_unknown_and_the_agent_named():
    with pytest.raises(UnknownNameError, match="of agent a2c 'clip_range' .*gae_lambda"):
        changed("a2c", clip_range=0.2)
    with pytest.raises(UnknownNameError, match=r"of agent ppo-short \(ppo\) 'epochs'"):
        changed("ppo-short", epochs=2)


def test_a_run_with_settings_is_the_run_of_the_file_that_says_the_same():
    plain = resolve_run("Pong")
    one = resolve_run("Pong", settings={"learning_rate": 1e-4, "n_steps": 64})
    assert one.agent == "ppo"
    assert one.name.startswith("Pong-ppo-coordconv-seed0-")
    assert one.hash != plain.hash
    assert resolve_run("Pong", settings={"learning_rate": "lin_2.5e-4"}).hash == plain.hash
    assert resolve_run("Pong", settings={"n_envs": 16}).hash == resolve_run("Pong", n_envs=16).hash
    with pytest.raises(InputError, match="n_envs is given twice: 8 as n_envs, and 16 among"):
        resolve_run("Pong", n_envs=8, settings={"n_envs": 16})
    with pytest.raises(InputError, match="n_timesteps is given twice: 9 as total_timesteps"):
        resolve_run("Pong", total_timesteps=9, settings={"n_timesteps": 9})
    with pytest.raises(InputError, match="batch_size 256 does not divide"):
        resolve_run("Pong", settings={"n_steps": 65})
