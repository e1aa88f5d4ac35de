"""How large a part of the training the check for NaN and infinity is."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.table import Table

from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.presets import load_agent_preset
from rl_coordconv.benchmarks.checks import check_list, check_rounds
from rl_coordconv.benchmarks.timing import (
    alternate,
    calls_for,
    describe_machine,
    open_console,
    seconds_per_call,
)
from rl_coordconv.machine.devices import resolve_device
from rl_coordconv.training.callbacks import check_losses, check_weights
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.setup import make_training_env, set_threads

_SECONDS = 0.2
"""Of one measurement of the checks."""
_WARMUP = 3
"""Rollouts before the first measurement."""


@dataclass(frozen=True)
class FiniteBenchmarkConfig:
    """Time the check of losses and weights after each update beside the rollout and the update."""

    agents: tuple[str, ...] = ("a2c", "ppo")
    """Presets."""
    game: str = "Pong"
    """The game."""
    extractor: str = "coordconv"
    """The extractor."""
    rounds: int = 5
    """How often; the medians count."""
    threads: int | None = None
    """CPU threads; default: the cores this process may use."""


def main(config: FiniteBenchmarkConfig) -> None:
    """Print a row for each agent.

    Raises:
        InputError: a value that is not allowed.
        UnknownNameError: no such game, agent or extractor.
    """
    check_list("--agents", config.agents)
    check_rounds(config.rounds, config.threads)
    for agent in config.agents:
        resolve_run(config.game, agent=agent, extractor=config.extractor)
    threads = set_threads(config.threads)
    console = open_console()
    console.print(describe_machine(threads))
    table = Table("agent", "rollout and update, ms", "checks, ms", "share, %")
    for agent in config.agents:
        training, checks = measure(config, agent, threads)
        table.add_row(
            agent, f"{1e3 * training:.1f}", f"{1e3 * checks:.2f}", f"{100 * checks / training:.2f}"
        )
    console.print(table)


def measure(config: FiniteBenchmarkConfig, agent: str, threads: int) -> tuple[float, float]:
    """Return the seconds of a rollout with its update, and of the checks after it."""
    run = resolve_run(config.game, agent=agent, extractor=config.extractor, device="cpu")
    preset = load_agent_preset(agent)
    rollout = preset.n_envs * preset.n_steps
    env = make_training_env(run, resolve_device(run.device), threads)
    try:
        model = build_agent(preset, env, extractor=config.extractor, seed=0, device="cpu")
        model.learn(_WARMUP * rollout)
        check = partial(_check, model)
        calls = calls_for(check, _SECONDS)
        timed = alternate(
            {
                "training": partial(_learn, model, rollout),
                "checks": partial(seconds_per_call, check, calls),
            },
            config.rounds,
        )
    finally:
        env.close()
    return statistics.median(timed["training"]), statistics.median(timed["checks"])


def _check(model: Any) -> None:
    check_losses(model)
    check_weights(model)


def _learn(model: Any, steps: int) -> float:
    start = time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    return time.perf_counter() - start
