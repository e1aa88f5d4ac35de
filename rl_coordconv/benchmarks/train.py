"""Training speed: ours beside stable-baselines3's, alternately, and how far from the limit."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch
from rich.table import Table

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.instrument import PARTS
from rl_coordconv.agents.precision import DTYPES, check_request
from rl_coordconv.agents.presets import Preset, change_preset, load_agent_preset
from rl_coordconv.agents.sizes import check_fits
from rl_coordconv.benchmarks.checks import check_list, check_play, check_rounds
from rl_coordconv.benchmarks.env import check_sb3_env
from rl_coordconv.benchmarks.roofline import (
    Roofline,
    count_flop,
    measure_emulator,
    measure_peak,
)
from rl_coordconv.benchmarks.timing import alternate, describe_machine, open_console, ratio
from rl_coordconv.benchmarks.train_worker import Candidate, Measurement, serve
from rl_coordconv.envs import AtariVecEnv, find_env, load_protocol, resolve_game
from rl_coordconv.envs.making import observation_shape
from rl_coordconv.extractors import extractor_policy_kwargs
from rl_coordconv.machine.hardware import available_cores, openmp_as_it_comes
from rl_coordconv.runs.config import check_rollout

ALL_PARTS = (*PARTS, "rest")


@dataclass(frozen=True)
class TrainBenchmarkConfig:
    """Train ours and stable-baselines3's agents alternately, each in a process of its own."""

    agent: str = "ppo"
    """ppo or a2c, or a path to a preset."""
    game: str = "Pong"
    """The game, in any of its spellings."""
    extractors: tuple[str, ...] = ("cnn", "coordconv")
    """Ours is measured with all of them, stable-baselines3's with the first."""
    precisions: tuple[Literal["fp32", "bf16"], ...] = ("bf16", "fp32")
    """The precisions of ours."""
    n_envs: int | None = None
    """Environments; default: the preset's."""
    steps: int = 4096
    """Agent steps in one measurement, rounded up to whole rollouts."""
    rounds: int = 7
    """How often each candidate is measured."""
    threads: int | None = None
    """torch's and the emulator's threads; default: the cores this process may use."""
    cuda_graphs: bool = False
    """Whether ours replays the heavy parts as CUDA graphs."""
    stock: bool = True
    """Whether stable-baselines3's own is measured as well."""
    own_script: bool = False
    """Whether ours is measured a second time as a script of one's own would run it."""


def main(config: TrainBenchmarkConfig) -> None:
    """Print the tables.

    Raises:
        UnknownNameError: an unknown game, agent or extractor.
        InputError: a value that is not allowed.
        MissingExtraError: SB3's pipeline cannot be built.
    """
    check_rounds(config.rounds, config.threads)
    check_play(config.n_envs, config.steps)
    check_list("--extractors", config.extractors)
    check_list("--precisions", config.precisions)
    resolve_game(config.game)
    preset = load_agent_preset(config.agent)
    if config.n_envs is not None:
        preset = change_preset(preset, {"n_envs": config.n_envs})
    check_rollout(preset)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for precision in config.precisions:
        check_request(precision, device)
    shape = observation_shape(find_env(config.game).spaces(load_protocol("deepmind"))[0])
    for extractor in config.extractors:
        check_fits(preset, extractor, {}, shape, device)
    threads = config.threads or available_cores()
    torch.set_num_threads(threads)
    console = open_console()
    console.print(describe_machine(threads))
    console.print(f"{config.game}, {config.agent}, {preset.n_envs} environments, "
                  f"{config.rounds} rounds of {config.steps} agent steps each")  # fmt: skip
    candidates = list(_candidates(config, preset, threads))
    limits = _limits(config, preset, threads)
    results = measure(config, candidates)
    console.print(_speed_table(candidates, results, limits))
    console.print(
        "ratios: median (min-max) over rounds; the peer is the first extractor, of an own script "
        "the same training by the command line; of the limit: see docs/performance.md"
    )
    console.print(_share_table(candidates, results))


def _candidates(config: TrainBenchmarkConfig, preset: Preset, threads: int) -> Iterator[Candidate]:
    for extractor in config.extractors:
        extractor_policy_kwargs(extractor)
        if config.stock and extractor == config.extractors[0]:
            check_sb3_env()
            yield Candidate(config.game, preset, extractor, None, threads)
        for precision in config.precisions:
            for in_script in (False, True) if config.own_script else (False,):
                yield Candidate(config.game, preset, extractor, precision, threads,
                                config.cuda_graphs, in_script)  # fmt: skip


def _limits(
    config: TrainBenchmarkConfig, preset: Preset, threads: int
) -> dict[tuple[str, str | None], float]:
    """Return the most steps per second that each extractor and precision allow."""
    emulator = measure_emulator(config.game, preset.n_envs, min(threads, preset.n_envs))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    n_actions = len(AtariVecEnv(config.game, 1).action_meanings)
    limits: dict[tuple[str, str | None], float] = {}
    for precision in config.precisions:
        peak = measure_peak(DTYPES[precision], device)
        for extractor in config.extractors:
            flop = count_flop(preset, extractor, n_actions)
            limits[extractor, precision] = Roofline(emulator, flop, peak).steps_per_second
    return limits


def measure(
    config: TrainBenchmarkConfig, candidates: list[Candidate]
) -> dict[str, list[Measurement]]:
    """Train all candidates in turn; return each one's measurements in the order of the rounds."""
    results: dict[str, list[Measurement]] = {candidate.name: [] for candidate in candidates}
    with _workers(candidates) as connections:

        def one(name: str, steps: int) -> float:
            measurement = _ask(connections[name], name, steps)
            results[name].append(measurement)
            return measurement.steps_per_second

        for name in results:  # warm-up
            _ask(connections[name], name, max(1, config.steps // 2))
        alternate({name: partial(one, name, config.steps) for name in results}, config.rounds)
    return results


@contextmanager
def _workers(candidates: list[Candidate]) -> Iterator[dict[str, Connection]]:
    context = multiprocessing.get_context("spawn")
    connections, processes = {}, []
    try:
        for candidate in candidates:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(candidate, theirs), daemon=True)
            # Ours as `train_atari.py` runs it, stable-baselines3's as a script of its own would.
            is_plain = candidate.precision is None or candidate.in_script
            with openmp_as_it_comes() if is_plain else nullcontext():
                process.start()
            theirs.close()
            connections[candidate.name] = ours
            processes.append(process)
        yield connections
        for connection in connections.values():
            connection.send(None)
        for process in processes:
            process.join(timeout=30)
    finally:
        for process in processes:
            process.kill()


def _ask(connection: Any, name: str, steps: int) -> Measurement:
    try:
        connection.send(steps)
        measurement: Measurement = connection.recv()
    except (EOFError, OSError) as error:
        raise InputError(f"the training of '{name}' ended early; its error is above") from error
    return measurement


def _speed_table(
    candidates: list[Candidate],
    results: dict[str, list[Measurement]],
    limits: dict[tuple[str, str | None], float],
) -> Table:
    speeds = {name: [one.steps_per_second for one in row] for name, row in results.items()}
    stock = next((one.name for one in candidates if one.precision is None), None)
    table = Table("training", "agent steps/s", "of SB3's", "of the peer's",
                  "of the limit", "peak memory, MiB")  # fmt: skip
    first = candidates[0].extractor
    for candidate in candidates:
        name, mine = candidate.name, speeds[candidate.name]
        by_command = replace(candidate, in_script=False)
        peer = by_command if candidate.in_script else replace(by_command, extractor=first)
        limit = limits.get((candidate.extractor, candidate.precision))
        median = statistics.median(mine)
        table.add_row(
            name,
            f"{median:,.0f}",
            "" if stock is None or name == stock else str(ratio(mine, speeds[stock])),
            "" if name in (peer.name, stock) else str(ratio(mine, speeds[peer.name])),
            "" if limit is None else f"{median / limit:.0%} of {limit:,.0f}",
            f"{max(one.peak_mib for one in results[name]):,.0f}",
        )
    return table


def _share_table(candidates: list[Candidate], results: dict[str, list[Measurement]]) -> Table:
    table = Table("where the time goes, ms per 1,000 steps", *ALL_PARTS)
    for candidate in candidates:
        row = []
        for part in ALL_PARTS:
            spent = [1e6 * one.shares.get(part, 0.0) / one.steps_per_second
                     for one in results[candidate.name]]  # fmt: skip
            row.append(f"{statistics.median(spent):,.0f}")
        table.add_row(candidate.name, *row)
    return table
