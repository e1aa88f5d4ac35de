"""How fast games run: AtariVecEnv beside ale-py's own vector environment and SB3's pipelines."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
from rich.table import Table
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack

from rl_coordconv._util.errors import missing_extra
from rl_coordconv.benchmarks.checks import check_play, check_rounds
from rl_coordconv.benchmarks.timing import alternate, describe_machine, open_console, ratio
from rl_coordconv.envs import AtariVecEnv, load_protocol, resolve_game
from rl_coordconv.envs.emulator import make_emulator
from rl_coordconv.machine.hardware import available_cores


@dataclass(frozen=True)
class EnvBenchmarkConfig:
    """Time random play in four environments, alternately, in agent steps per second."""

    game: str = "Pong"
    """The game."""
    n_envs: int = 8
    """Sub-environments."""
    steps: int = 250
    """Steps of all sub-environments in one measurement."""
    rounds: int = 9
    """How often each candidate is measured."""
    threads: int | None = None
    """Emulator threads; default: the cores this process may use."""


RAW, OURS, DUMMY, SUBPROC = (
    "ale-py AtariVectorEnv",
    "AtariVecEnv (ours)",
    "SB3 make_atari_env, DummyVecEnv",
    "SB3 make_atari_env, SubprocVecEnv",
)


def main(config: EnvBenchmarkConfig) -> None:
    """Print the table and the two ratios.

    Raises:
        UnknownNameError: no such game.
        InputError: a value that is not allowed.
        MissingExtraError: SB3's pipeline cannot be built.
    """
    check_rounds(config.rounds, config.threads)
    check_play(config.n_envs, config.steps)
    resolve_game(config.game)
    check_sb3_env()
    threads = min(config.threads or available_cores(), config.n_envs)
    console = open_console()
    console.print(describe_machine(threads))
    console.print(f"{config.game}, {config.n_envs} environments, random actions, "
                  f"{config.rounds} rounds of {config.steps} steps each")  # fmt: skip
    speeds = measure(config, threads)
    best = max((DUMMY, SUBPROC), key=lambda name: statistics.median(speeds[name]))
    table = Table("environment", "agent steps/s", "of raw", f"of {best}")
    for name, figures in speeds.items():
        of_raw, of_best = ratio(figures, speeds[RAW]), ratio(figures, speeds[best])
        table.add_row(name, f"{statistics.median(figures):,.0f}", str(of_raw), str(of_best))
    console.print(table)
    console.print("ratios: median (min-max) over rounds")


def measure(config: EnvBenchmarkConfig, threads: int) -> dict[str, list[float]]:
    """Return each environment's agent steps per second, one figure a round."""
    actions = np.random.default_rng(0)
    environments: list[VecEnv] = []
    candidates: dict[str, Callable[[], float]] = {}
    try:
        game, protocol = resolve_game(config.game), load_protocol("deepmind")
        raw = make_emulator(game, config.n_envs, protocol, threads)
        raw.reset(seed=0)
        count = len(raw.ale.get_action_set())
        candidates[RAW] = partial(_speed, raw.step, config, count, actions)
        makers: dict[str, Callable[[], VecEnv]] = {
            OURS: partial(AtariVecEnv, config.game, config.n_envs, num_threads=threads, seed=0),
            DUMMY: partial(make_sb3_env, config.game, config.n_envs, DummyVecEnv),
            SUBPROC: partial(make_sb3_env, config.game, config.n_envs, SubprocVecEnv),
        }
        for name, make in makers.items():
            env = make()
            environments.append(env)
            env.reset()
            candidates[name] = partial(_speed, env.step, config, count, actions)
        for candidate in candidates.values():  # warm-up
            candidate()
        return alternate(candidates, config.rounds)
    finally:
        for env in environments:
            env.close()


def _speed(
    step: Callable[[Any], object],
    config: EnvBenchmarkConfig,
    count: int,
    actions: np.random.Generator,
) -> float:
    chosen = actions.integers(0, count, (config.steps, config.n_envs))
    start = time.perf_counter()
    for row in chosen:
        step(row)
    return config.steps * config.n_envs / (time.perf_counter() - start)


def check_sb3_env() -> None:
    """Raise an `InputError` where SB3's own pipeline cannot be built."""
    try:
        import cv2  # noqa: F401  # SB3's wrappers resize with it
    except ImportError as error:
        raise missing_extra("opencv-python", "dev", "SB3's Atari pipeline") from error


def make_sb3_env(
    game: str, n_envs: int, vec_env_cls: type[DummyVecEnv] | type[SubprocVecEnv] = DummyVecEnv
) -> VecEnv:
    """Build stable-baselines3's own pipeline: `make_atari_env` and four stacked frames."""
    check_sb3_env()
    env = make_atari_env(
        make_single_game,
        n_envs,
        0,
        env_kwargs={"name": resolve_game(game).name},
        vec_env_cls=vec_env_cls,
    )
    return VecFrameStack(env, 4)


def make_single_game(name: str) -> gym.Env:
    """Build what was called ``<Name>NoFrameskip-v4``, in the process that will step it."""
    gym.register_envs(ale_py)
    return gym.make(
        f"ALE/{name}-v5",
        frameskip=1,
        repeat_action_probability=0.0,
        max_num_frames_per_episode=108_000,
    )
