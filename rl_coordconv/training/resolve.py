"""Config resolution: from what was asked for to a run's complete configuration, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.agents.precision import PrecisionRequest, check_request, check_request_name
from rl_coordconv.agents.presets import (
    MAX_TIMESTEPS,
    Preset,
    change_preset,
    load_agent_preset,
)
from rl_coordconv.agents.settings import with_settings
from rl_coordconv.envs import Presentation, find_env, load_protocol
from rl_coordconv.extractors import extractor_policy_kwargs
from rl_coordconv.machine.devices import check_device_name, resolve_device
from rl_coordconv.runs import EvaluationConfig, RunConfig
from rl_coordconv.runs.config import MAX_ENVS, MAX_EPISODES, MAX_SEED, InitialPolicy


def resolve_run(
    game: str,
    *,
    extractor: str = "coordconv",
    extractor_kwargs: dict[str, Any] | None = None,
    agent: str = "ppo",
    total_timesteps: int | None = None,
    n_envs: int | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: PrecisionRequest = "auto",
    protocol: str = "deepmind",
    env: Presentation | None = None,
    eval_episodes: int = 10,
    eval_freq: int = 0,
    eval_freq_episodes: int = 5,
    initialization: str = "sb3",
    settings: Mapping[str, Any] | None = None,
    initial_policy: InitialPolicy | None = None,
) -> RunConfig:
    """Fill in every default and check every value before anything is built.

    Device and precision are checked by name only: the machine that trains the run may be another
    one, see `check_machine`.

    Args:
        game: a game's name in any of its spellings, for example ``Pong``, ``ALE/Pong-v5`` or
            ``Aim``.
        extractor: the features extractor's name.
        extractor_kwargs: options of that extractor.
        agent: an agent preset's name, or a path to one's own YAML file.
        total_timesteps: agent steps over all environments; None takes the preset's.
        n_envs: parallel environments; None takes the preset's.
        seed: the run's seed.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``fp32`` or ``bf16``.
        protocol: ``deepmind`` or ``machado``, of an Atari game.
        env: how an environment of Gymnasium's registry is presented, whose id is ``game`` then.
        eval_episodes: episodes played at the end; 0 leaves the evaluation out.
        eval_freq: agent steps between evaluations during training; 0 for none.
        eval_freq_episodes: episodes of each of these.
        initialization: ``sb3``, or ``paired`` for weights that agree between extractors.
        settings: hyperparameters over the preset's, by its keys; see
            `rl_coordconv.agents.settings.with_settings`.
        initial_policy: the weights to begin with, where they are another run's.

    Raises:
        UnknownNameError: no such game, extractor, agent, protocol, device, precision or
            hyperparameter.
        InputError: a value that is not allowed, or one that is given twice.
    """
    spec = find_env(game, env)
    if not spec.has_protocols and protocol != "deepmind":
        raise InputError(f"{spec.name!r} has no protocol {protocol!r}: only Atari games have any")
    extractor_policy_kwargs(extractor, **(extractor_kwargs or {}))
    check_device_name(device)
    check_request_name(precision)
    _check_between("seed", seed, MAX_SEED, least=0)
    _check_between("eval_episodes", eval_episodes, MAX_EPISODES, least=0)
    _check_between("eval_freq", eval_freq, MAX_TIMESTEPS, least=0)
    _check_between("eval_freq_episodes", eval_freq_episodes, MAX_EPISODES)
    return RunConfig.build(
        game=spec.name,
        extractor=extractor,
        extractor_kwargs=extractor_kwargs or {},
        agent=Path(agent).stem,
        preset=_resolve_preset(agent, total_timesteps, n_envs, settings or {}),
        protocol=load_protocol(protocol) if spec.has_protocols else None,
        env=env,
        seed=seed,
        precision=precision,
        device=device,
        initialization=initialization,
        initial_policy=initial_policy,
        evaluation=EvaluationConfig(
            episodes=eval_episodes, freq=eval_freq, freq_episodes=eval_freq_episodes
        ),
    )


def _resolve_preset(
    agent: str, total_timesteps: int | None, n_envs: int | None, settings: Mapping[str, Any]
) -> Preset:
    preset = load_agent_preset(agent)
    _check_between("n_timesteps", total_timesteps, MAX_TIMESTEPS)
    _check_between("n_envs", n_envs, MAX_ENVS)
    given = {"n_timesteps": total_timesteps, "n_envs": n_envs}
    changes = {key: value for key, value in given.items() if value is not None}
    _refuse_repetition(changes, settings)
    return change_preset(with_settings(preset, settings, agent=Path(agent).stem), changes)


def check_machine(device: str, precision: PrecisionRequest) -> None:
    """Refuse what this machine cannot train, before a run's directory is made.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``fp32`` or ``bf16``.

    Raises:
        InputError: there is no such device here, or it has no bf16 arithmetic.
    """
    check_request(precision, resolve_device(device))


def _refuse_repetition(changes: Mapping[str, int], settings: Mapping[str, Any]) -> None:
    flags = {"n_timesteps": "total_timesteps", "n_envs": "n_envs"}
    for name in changes.keys() & settings.keys():
        raise InputError(
            f"{name} is given twice: {shown(changes[name])} as {flags[name]}, and "
            f"{shown(settings[name])} among the hyperparameters"
        )


def _check_between(name: str, value: int | None, most: int, least: int = 1) -> None:
    if value is not None and value < least:
        raise InputError(f"{name} {shown(value)} is not at least {least}")
    if value is not None and value > most:
        raise InputError(f"{name} {shown(value)} is not at most {most:,}")
