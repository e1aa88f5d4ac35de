"""Agent presets: the RL Zoo's numbers, and refusals that say what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import torch
import yaml
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.utils import LinearSchedule

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.presets import preset_path
from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.optimizers import OPTIMIZERS, check_optimizer
from rl_coordconv.agents.presets import change_preset, load_agent_preset
from rl_coordconv.agents.schedules import Linear, parse_linear, to_sb3_schedule
from rl_coordconv.envs import make_vec_env
from rl_coordconv.layers import ZeroMeanConv2d


def changed(tmp_path: Path, name: str, **changes: object) -> str:
    """Write a copy of a preset with some keys changed, or removed where the value is ``...``."""
    data = yaml.safe_load(preset_path("agents", "agent", name).read_text()) | changes
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not ...}))
    return str(path)


def test_ppo_preset_holds_the_zoo_values() -> None:
    preset = load_agent_preset("ppo")
    assert (preset.algorithm, preset.n_envs, preset.n_timesteps) == ("ppo", 8, 10_000_000)
    kwargs = preset.sb3_kwargs()
    learning_rate, clip_range = kwargs.pop("learning_rate"), kwargs.pop("clip_range")
    assert kwargs == {
        "n_steps": 128, "n_epochs": 4, "batch_size": 256, "clip_range_vf": None,
        "normalize_advantage": True, "target_kl": None, "gamma": 0.99, "gae_lambda": 0.95,
        "ent_coef": 0.01, "vf_coef": 0.5, "max_grad_norm": 0.5,
    }  # fmt: skip
    assert isinstance(learning_rate, LinearSchedule)
    assert [learning_rate(p) for p in (1.0, 0.5, 0.0)] == [2.5e-4, 1.25e-4, 0.0]
    assert clip_range(1.0) == 0.1
    assert preset.optimizer_policy_kwargs() == {
        "optimizer_class": torch.optim.Adam,
        "optimizer_kwargs": {"eps": 1e-5},
    }


def test_a2c_preset_holds_the_zoo_values() -> None:
    preset = load_agent_preset("a2c")
    assert (preset.algorithm, preset.n_envs, preset.n_timesteps) == ("a2c", 16, 10_000_000)
    assert preset.sb3_kwargs() == {
        "n_steps": 5, "learning_rate": 7e-4, "normalize_advantage": False, "gamma": 0.99,
        "gae_lambda": 1.0, "ent_coef": 0.01, "vf_coef": 0.25, "max_grad_norm": 0.5,
        "use_rms_prop": False,
    }  # fmt: skip
    assert preset.optimizer_policy_kwargs() == {
        "optimizer_class": RMSpropTFLike,
        "optimizer_kwargs": {"alpha": 0.99, "eps": 1e-5},
    }


@pytest.mark.parametrize(("name", "algorithm"), [("a2c", A2C), ("ppo", PPO)])
def test_every_value_left_to_sb3s_default_is_written_out(name: str, algorithm: type) -> None:
    import inspect

    not_hyperparameters = {
        "self", "policy", "env", "policy_kwargs", "stats_window_size", "tensorboard_log", "verbose",
        "seed", "device", "_init_setup_model", "rollout_buffer_class", "rollout_buffer_kwargs",
        "use_sde", "sde_sample_freq", "rms_prop_eps", "use_rms_prop",
    }  # fmt: skip
    expected = set(inspect.signature(algorithm).parameters) - not_hyperparameters
    preset = load_agent_preset(name)
    assert expected <= set(preset.sb3_kwargs())


def test_an_unknown_name_lists_the_presets_and_the_closest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown agent 'pppo'; did you mean 'ppo'.*a2c"):
        load_agent_preset("pppo")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"agent file 'nowhere\.yaml' does not exist"):
        load_agent_preset("nowhere.yaml")


def test_a_name_without_its_ending_is_told_the_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").touch()
    with pytest.raises(InputError, match="unknown agent 'mine'; did you mean the file mine.yaml"):
        preset_path("agents", "agent", "mine")


def test_an_unknown_key_is_refused_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"entropy_coef: unknown key \(value 0\.1\)"):
        load_agent_preset(changed(tmp_path, "ppo", entropy_coef=0.1))
    with pytest.raises(InputError, match=r"n_epoch: unknown key.*did you mean 'n_epochs'"):
        load_agent_preset(changed(tmp_path, "ppo", n_epoch=3))


def test_keys_of_the_other_algorithm_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="n_epochs: unknown key"):
        load_agent_preset(changed(tmp_path, "a2c", n_epochs=4))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("gamma", "0.99", "valid number, got '0.99'"),
        ("n_steps", "1e7", "valid integer, got '1e7'"),
        ("n_steps", 128.0, "valid integer, got 128.0"),
        ("learning_rate", "2.5e-4", "'2.5e-4' is neither a number nor a schedule"),
        ("learning_rate", "__import__('os')", "neither a number nor a schedule"),
        ("learning_rate", -1.0, "-1.0 is not a finite number"),
        ("learning_rate", float("nan"), "nan is not a finite number"),
        ("clip_range", True, "True is neither a number"),
        ("gamma", 1.5, "less than or equal to 1, got 1.5"),
        ("n_envs", 0, "greater than 0, got 0"),
        ("ent_coef", float("inf"), "finite number, got inf"),
        ("optimizer", "sgd", "'adam' or 'rmsprop_tf_like', got 'sgd'"),
        ("n_epochs", ..., "n_epochs: missing"),
    ],
)
def test_bad_values_are_refused(tmp_path: Path, key: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_agent_preset(changed(tmp_path, "ppo", **{key: value}))
    assert key in str(caught.value)
    assert message in str(caught.value)


def test_an_unknown_algorithm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'dqn'"):
        load_agent_preset(changed(tmp_path, "ppo", algorithm="dqn"))


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: [1\n", "!!python/object/apply:os.getcwd []"])
def test_what_is_no_plain_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load_agent_preset(str(path))


@pytest.mark.parametrize("text", ["lin_", "lin_-1", "lin_1e", "cos_0.1", "lin_0.1 ", "LIN_1"])
def test_schedules_are_parsed_strictly(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number nor a schedule"):
        parse_linear(text)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("adam", {"eps": 1e-12, "weight_decay": 0.0}),
        ("adam", {"eps": 1.0, "weight_decay": 1.0}),
        ("rmsprop_tf_like", {"eps": 1e-12, "alpha": 0.0, "momentum": 0.0, "weight_decay": 0.0}),
        ("rmsprop_tf_like", {"eps": 1.0, "alpha": 0.999, "momentum": 0.999, "weight_decay": 1.0}),
    ],
)
def test_what_an_optimizer_may_be_told_it_takes(name: str, kwargs: dict[str, float]) -> None:
    check_optimizer(name, kwargs)
    assert torch.isfinite(stepped(name, kwargs)).all()


def test_an_epsilon_of_zero_loses_a_weight_without_a_gradient() -> None:
    with pytest.raises(InputError, match=r"eps 0\.0 is not in \(0, 1\]"):
        check_optimizer("adam", {"eps": 0.0})
    assert torch.isnan(stepped("adam", {"eps": 0.0})).tolist() == [True, False]


def stepped(name: str, kwargs: dict[str, float]) -> torch.Tensor:
    """Return two weights after a step; the first has no gradient."""
    weights = torch.ones(2, requires_grad=True)
    optimizer: Any = OPTIMIZERS[name]
    instance = optimizer([weights], lr=1e-3, **kwargs)
    weights.grad = torch.tensor([0.0, 1.0])
    instance.step()
    return weights.detach()


@pytest.mark.parametrize(
    ("key", "value"), [("n_envs", True), ("n_envs", 2.0), ("n_steps", 0), ("clip_range", "lin_0")]
)
def test_changes_are_checked_as_a_file_is(key: str, value: object) -> None:
    preset = load_agent_preset("ppo")
    with pytest.raises(InputError, match=f"the agent's preset is not valid: {key}"):
        change_preset(preset, {key: value})
    assert change_preset(preset, {"n_envs": 4}) == preset.model_copy(update={"n_envs": 4})


@pytest.mark.parametrize("text", ["lin_1e999", "lin_1000001", "lin_1e7"])
def test_a_schedule_that_begins_too_high_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text}.* begins above 1e\\+06"):
        parse_linear(text)
    assert parse_linear("lin_1e6").start == 1e6


def test_a_schedule_warms_up_to_its_line_and_falls_with_it():
    assert parse_linear("warmup_0.05_lin_1e-3") == Linear(1e-3, 0.05)
    schedule, line = to_sb3_schedule("warmup_0.2_lin_1.0"), to_sb3_schedule("lin_1.0")
    done = [0.0, 0.1, 0.2, 0.5, 1.0]
    assert [schedule(1 - part) for part in done] == pytest.approx([0, 0.45, 0.8, 0.5, 0])
    assert [line(1 - part) for part in done] == pytest.approx([1, 0.9, 0.8, 0.5, 0])


@pytest.mark.parametrize("text", ["warmup_lin_1e-3", "warmup_0.1", "warmup_-0.1_lin_1", "warmup_"])
def test_a_warm_up_without_its_numbers_is_no_schedule(text):
    with pytest.raises(ValueError, match="neither a number nor a schedule"):
        parse_linear(text)


def test_a_warm_up_over_all_of_the_training_is_refused():
    with pytest.raises(ValueError, match="warms up over 1 of the training, not less than 1"):
        parse_linear("warmup_1.0_lin_1e-3")


def test_a_model_that_warms_up_needs_this_library_no_more(tmp_path):
    """Its schedule travels with its code, as stable-baselines3 pickles it."""
    file = tmp_path / "schedule.pkl"
    file.write_bytes(cloudpickle.dumps(to_sb3_schedule("warmup_0.5_lin_2.0")))
    code = f"""
import pickle, sys
sys.modules["rl_coordconv"] = None
print(pickle.load(open({str(file)!r}, "rb"))(0.75))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert float(result.stdout) == 0.75


def test_a_presets_options_are_for_the_extractors_that_have_them(tmp_path: Path) -> None:
    options = {"zero_mean": True, "with_r": True, "features_dim": 64}
    preset = load_agent_preset(changed(tmp_path, "ppo", extractor_kwargs=options))
    assert preset.extractor_options("coordconv", {}) == options
    assert preset.extractor_options("cnn", {}) == {"zero_mean": True, "features_dim": 64}
    assert preset.options_left_out("cnn") == ["with_r"]
    assert preset.options_left_out("coordconv") == []
    # What an arm says of itself counts.
    assert preset.extractor_options("coordconv", {"with_r": False}) == options | {"with_r": False}
    assert "extractor_kwargs" not in preset.sb3_kwargs()
    assert load_agent_preset("ppo").extractor_options("coordconv", {"with_r": True}) == {
        "with_r": True
    }


def test_a_presets_option_that_no_extractor_has_is_refused(tmp_path: Path) -> None:
    preset = load_agent_preset(changed(tmp_path, "ppo", extractor_kwargs={"zero_maen": True}))
    with pytest.raises(UnknownNameError, match=r"'zero_maen'.*did you mean 'zero_mean'"):
        preset.extractor_options("cnn", {})


def test_an_agent_is_built_with_its_presets_options(tmp_path: Path) -> None:
    preset = load_agent_preset(changed(tmp_path, "ppo", extractor_kwargs={"zero_mean": True}))
    env = make_vec_env("Aim", 1)
    try:
        for extractor, kwargs in (("cnn", {}), ("coordconv", {}), ("cnn", {"zero_mean": False})):
            model = build_agent(
                preset.with_one_env(), env, extractor=extractor, extractor_kwargs=kwargs
            )
            first = model.policy.features_extractor.cnn[0]
            is_centred = isinstance(first, ZeroMeanConv2d) or getattr(first, "zero_mean", False)
            assert is_centred is kwargs.get("zero_mean", True), extractor
    finally:
        env.close()
