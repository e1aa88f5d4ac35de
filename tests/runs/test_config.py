"""The run's configuration: its round trip, its identity, and what it refuses."""

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunConfig
from rl_coordconv.training.resolve import resolve_run


def test_a_configuration_comes_back_from_yaml_equal(tmp_path):
    config = resolve_run("Pong", extractor_kwargs={"with_r": True}, agent="a2c", seed=3)
    config.save(tmp_path / "config.yaml")
    loaded = RunConfig.load(tmp_path / "config.yaml")
    assert loaded == config
    assert loaded.hash == config.hash


def test_every_knob_of_the_protocol_and_the_preset_is_written_out(tmp_path):
    resolve_run("Pong").save(tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    for line in ("frame_skip: 4", "repeat_action_probability: 0.0", "clip_range: lin_0.1",
                 "n_timesteps: 10000000", "gae_lambda: 0.95"):  # fmt: skip
        assert line in text


def test_the_name_is_readable_and_the_hash_tells_configurations_apart():
    config = resolve_run("ms_pacman", extractor="coordconv-all", seed=7)
    assert config.name == f"MsPacman-ppo-coordconv-all-seed7-{config.hash}"
    others = [
        resolve_run("ms_pacman", extractor="coordconv-all", seed=8),
        resolve_run("ms_pacman", extractor="coordconv-all", seed=7, protocol="machado"),
        resolve_run("ms_pacman", extractor="coordconv-all", seed=7, total_timesteps=5),
        resolve_run("ms_pacman", extractor="coordconv-all", seed=7, precision="fp32"),
        resolve_run(
            "ms_pacman", extractor="coordconv-all", seed=7, extractor_kwargs={"with_r": True}
        ),
    ]
    assert len({config.hash, *(other.hash for other in others)}) == 6


def test_where_it_runs_and_how_it_is_judged_do_not_change_the_hash():
    assert resolve_run("Pong", device="cpu").hash == resolve_run("Pong").hash
    assert resolve_run("Pong", eval_episodes=3).hash == resolve_run("Pong").hash


@pytest.mark.parametrize("name", ["Pong", "pong", "ALE/Pong-v5", "PongNoFrameskip-v4"])
def test_a_game_in_any_spelling_is_the_same_run(name):
    assert resolve_run(name).name == resolve_run("Pong").name


def test_a_rollout_that_minibatches_do_not_divide_is_refused():
    with pytest.raises(InputError, match="batch_size 256 does not divide .* 128 x 3 = 384"):
        resolve_run("Pong", n_envs=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"game": "Pogn"}, "Pong"),
        ({"game": "Pong", "extractor": "coordcnov"}, "did you mean 'coordconv'"),
        ({"game": "Pong", "extractor_kwargs": {"with_rr": True}}, "with_r"),
        ({"game": "Pong", "agent": "pp"}, "did you mean 'ppo'"),
        ({"game": "Pong", "protocol": "deepmnd"}, "deepmind"),
        ({"game": "Pong", "total_timesteps": 0}, "n_timesteps 0 is not at least 1"),
        ({"game": "Pong", "seed": -1}, "seed"),
        ({"game": "Pong", "seed": 2**14}, "16384"),
        ({"game": "Pong", "eval_episodes": -1}, "-1"),
    ],
)
def test_what_is_wrong_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        resolve_run(**arguments)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(InputError, match="is not a run directory: it has no config.yaml"):
        RunConfig.load(tmp_path / "config.yaml")


def test_an_unknown_key_in_a_configuration_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    resolve_run("Pong").save(path)
    path.write_text(path.read_text() + "sede: 3\n")
    with pytest.raises(InputError, match="sede: unknown key .* did you mean 'seed'"):
        RunConfig.load(path)
