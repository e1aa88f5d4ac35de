"""Runs that other programs trained: SB3's and RL Zoo's monitor files and TensorBoard events.

What is assumed about the step axis, since those files do not say it:

* A monitor file with a ``step`` column (ours) is taken at its word.
* Other monitor files hold r (return), l (length) and t (seconds). The axis is the cumulative ``l``
  over all environments of one directory, in the order in which the games ended: within a file the
  order of its rows, between files by ``t``. Where ``t`` goes back within a file, a resumed training
  has appended to it and its clock began again at 0: such a session is taken to begin when the
  last file's session before it had ended. ``l`` counts calls
  of the environment that the ``Monitor`` wraps. SB3's ``make_atari_env`` and the RL Zoo put it
  inside the frame skip: where the header's ``env_id`` contains ``NoFrameskip``, ``l`` is emulator
  frames and is divided by 4; elsewhere ``l`` is taken as agent steps.
* TensorBoard: the event's own step, which SB3 writes in agent steps over all environments. Its
  values are means over the last 100 games already.

The games behind a monitor file's rows are taken as full episodes with raw scores, which holds where
the ``Monitor`` lies inside the Atari wrappers, as SB3 puts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.text import as_name, as_reason
from rl_coordconv.envs import resolve_game
from rl_coordconv.reports.results import IMPORTED, Run, Unreadable
from rl_coordconv.runs.episodes import EpisodeRow, check_episodes, read_monitor
from rl_coordconv.runs.metrics import is_finite

TAG = "rollout/ep_rew_mean"
FRAME_SKIP = 4
"""Of SB3's ``AtariWrapper``."""

_AGENT = re.compile(r"(a2c|ppo|dqn|qrdqn|qr-dqn|trpo|acktr|ppo_lstm|recurrentppo)(_\d+)?$", re.I)


@dataclass(frozen=True)
class _Read:
    env_id: str | None
    steps: np.ndarray
    returns: np.ndarray
    averaged: bool
    seconds: float
    damaged: int


@dataclass(frozen=True)
class _Found:
    folder: Path
    game: str
    agent: str | None
    read: _Read


def import_runs(
    name: str, directory: Path, agents: Iterable[str]
) -> tuple[list[Run], list[Unreadable]]:
    """Read every SB3 run below a directory.

    A directory with ``monitor.csv`` or ``*.monitor.csv`` is a run; where the whole tree has none,
    one with TensorBoard events is. The game is the monitor header's ``env_id``, or the nearest
    folder name that is a game's. The agent is the nearest folder name that is an algorithm's
    (``ppo``, ``A2C_1``); where none is, and all other runs share one agent, theirs. Seeds number
    the runs of one game and agent in their paths' order: they pair with others by that number
    alone.

    Args:
        name: the arm's name.
        directory: any tree.
        agents: the agents of the runs that this one is compared with.

    Returns:
        The runs, and the folders that could not be read with the reason.

    Raises:
        InputError: the directory does not exist, or nothing of that kind lies in it.
    """
    if not directory.is_dir():
        raise InputError(f"--import {name}={directory}: not a directory")
    found: list[_Found] = []
    unreadable: list[Unreadable] = []
    for folder, monitors, events in _folders(directory):
        try:
            read = _read_monitors(monitors) if monitors else _read_events(events)
            found.append(_identify(directory, folder, read))
        except (InputError, UnknownNameError) as error:
            unreadable.append(Unreadable(folder, as_reason(str(error))))
        except Exception as error:  # whatever is wrong with one run, the others are reported
            reason = as_reason(f"{type(error).__name__}: {error}")
            unreadable.append(Unreadable(folder, reason))
    if not found and not unreadable:
        raise InputError(
            f"--import {name}={directory}: looked for monitor.csv, *.monitor.csv and "
            "events.out.tfevents* in it and below, and found none"
        )
    others = sorted(set(agents))
    default = others[0] if len(others) == 1 else "unknown agent"
    return _numbered(name, found, default), unreadable


def _folders(directory: Path) -> list[tuple[Path, list[Path], list[Path]]]:
    """List the folders that are runs."""
    folders = sorted({directory, *(p for p in directory.rglob("*") if p.is_dir())}, key=_natural)
    rows = []
    for folder in folders:
        monitors = sorted(folder.glob("*monitor.csv"), key=_natural)
        events = sorted(folder.glob("events.out.tfevents*"))
        if monitors or events:
            rows.append((folder, monitors, events))
    # The RL Zoo writes both, in different folders: reading both would count its runs twice.
    with_monitors = [row for row in rows if row[1]]
    return with_monitors or rows


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _read_monitors(paths: list[Path]) -> _Read:
    """Merge the monitor files of one run's environments."""
    monitors = [read_monitor(path) for path in paths]
    headers = [monitor.header or {} for monitor in monitors]
    games = [game for monitor in monitors for game in monitor.rows]
    if not games:
        raise InputError("no game has ended in its monitor files")
    stepped = [game.step for game in games if game.step is not None]
    if stepped and len(paths) > 1:
        raise InputError("several monitor files with a step column in one directory")
    begun = [_begun(path, header) for path, header in zip(paths, headers, strict=True)]
    ended = _end_times([monitor.rows for monitor in monitors], begun)
    # Stable, and times never go back within a file: its rows keep their order.
    order = np.argsort(ended, kind="stable")
    env_id = next((header["env_id"] for header in headers if header.get("env_id")), None)
    env_id = None if env_id is None else str(env_id)
    skip = FRAME_SKIP if "NoFrameskip" in (env_id or "") else 1
    lengths = np.array([game.length for game in games], np.float64)[order]
    steps = np.array(stepped) if stepped else np.cumsum(lengths) / skip
    returns = np.array([game.raw_return for game in games], np.float64)[order]
    seconds = float(ended.max() - min(begun))
    damaged = sum(monitor.damaged for monitor in monitors)
    return _Read(env_id, steps.astype(np.int64), returns, False, seconds, damaged)


def _begun(path: Path, header: dict[str, Any]) -> float:
    begun = header.get("t_start", 0.0)
    if not is_finite(begun):
        raise InputError(f"{path}: t_start {begun!r} is no time")
    return float(begun)


def _end_times(files: list[list[EpisodeRow]], begun: list[float]) -> np.ndarray:
    """Say when each game ended, file after file, on one clock that never goes back in a file.

    Args:
        files: each environment's games, in their order.
        begun: when each file's first session began.
    """
    sessions = [_sessions(games) for games in files]
    starts = list(begun)
    times: list[list[float]] = [[] for _ in files]
    for number in range(max(map(len, sessions), default=0)):
        for there, start, found in zip(times, starts, sessions, strict=True):
            there += [start + game.seconds for game in (found[number : number + 1] or [[]])[0]]
        latest = max(there[-1] for there in times if there)
        starts = [latest] * len(files)
    return np.array([time for there in times for time in there], np.float64)


def _sessions(games: list[EpisodeRow]) -> list[list[EpisodeRow]]:
    """Divide a file's games where its clock went back."""
    found: list[list[EpisodeRow]] = []
    for game in games:
        if not found or game.seconds < found[-1][-1].seconds:
            found.append([])
        found[-1].append(game)
    return found


def _read_events(paths: list[Path]) -> _Read:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # Size 0 keeps every event; the default would sample 10,000 of them.
    events = EventAccumulator(str(paths[0].parent), size_guidance={"scalars": 0})
    events.Reload()
    if TAG not in events.Tags()["scalars"]:
        raise InputError(f"its TensorBoard events hold no {TAG}")
    points = {event.step: event for event in events.Scalars(TAG)}
    kept = [points[step] for step in sorted(points)]
    steps = np.array([event.step for event in kept], np.int64)
    values = np.array([event.value for event in kept], np.float64)
    return _Read(None, steps, values, True, float(kept[-1].wall_time - kept[0].wall_time), 0)


def _identify(root: Path, folder: Path, read: _Read) -> _Found:
    check_episodes(folder, read.steps, read.returns)
    names = [*reversed(folder.relative_to(root).parts), root.resolve().name]
    matches = (_AGENT.match(name) for name in names)
    agent = next((match[1].lower() for match in matches if match), None)
    game = _game([read.env_id] if read.env_id else [], names)
    return _Found(folder, game, agent, read)


def _game(headers: list[str], folders: list[str]) -> str:
    # RL Zoo numbers its folders: PongNoFrameskip-v4_1.
    for name in [*headers, *folders, *(re.sub(r"_\d+$", "", folder) for folder in folders)]:
        try:
            return resolve_game(name).name
        except (UnknownNameError, InputError):
            continue
    tried = ", ".join(repr(name) for name in [*headers, *folders])
    raise InputError(f"none of {tried} is a game")


def _numbered(name: str, found: list[_Found], default_agent: str) -> list[Run]:
    runs: list[Run] = []
    counts: dict[tuple[str, str], int] = {}
    for one in found:
        agent = one.agent or default_agent
        seed = counts.get((one.game, agent), 0)
        counts[one.game, agent] = seed + 1
        runs.append(
            Run(
                path=one.folder,
                game=as_name(one.game),
                agent=agent,
                arm=as_name(name),
                extractor=as_name(name),
                seed=seed,
                state=IMPORTED,
                steps=one.read.steps,
                returns=one.read.returns,
                num_timesteps=int(one.read.steps[-1]),
                averaged=one.read.averaged,
                seconds=one.read.seconds,
                damaged=one.read.damaged,
                identity=f"{IMPORTED} {one.folder}",
            )
        )
    return runs
