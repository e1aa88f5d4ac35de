"""Learning curves: the raw return of finished training games over agent steps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_coordconv._util.errors import InputError, missing_extra
from rl_coordconv._util.files import write_bytes
from rl_coordconv._util.text import shortened, visible
from rl_coordconv.envs import reference_scores
from rl_coordconv.extractors import EXTRACTORS
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.runs.episodes import read_episodes
from rl_coordconv.runs.precision import recorded_precision

WINDOW = 100
"""Games that a point averages over, as in stable-baselines3's ``rollout/ep_rew_mean``."""

PRECISION_COLOURS = {"fp32": "#4c5b6b", "bf16": "#d1551f"}
"""For figures in which one extractor was trained in several precisions."""

LINES = ("-", "--", "-.")
"""Seeds of one extractor share its colour and differ in these; dots are the random agent's."""


@dataclass(frozen=True)
class Curve:
    """One run's learning curve.

    Attributes:
        config: the run's configuration.
        steps: (games,) agent steps of all environments at the end of each training game.
        returns: (games,) raw return of each game.
        precision: the precision it was trained in; None where it is not recorded.
    """

    config: RunConfig
    steps: np.ndarray
    returns: np.ndarray
    precision: str | None = None

    @property
    def smoothed(self) -> np.ndarray:
        """(games,) mean raw return of the last `WINDOW` games, of fewer at the beginning."""
        return trailing_mean(self.returns, WINDOW)


def trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Average each value with those before it, at most ``window`` of them together.

    Args:
        values: (n,) numbers.
        window: how many.

    Returns:
        (n,) float64.
    """
    total = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - window, 0)
    return (total[end] - total[start]) / (end - start)


def load_curve(run: RunDirectory) -> Curve:
    """Read a run's finished training games.

    Raises:
        InputError: no run there, no game has ended in it yet, or a file of it is damaged.
    """
    config, episodes = run.config(), read_episodes(run.episodes_file)
    if not len(episodes.steps):
        raise InputError(f"no game has ended yet in {run.path}: there is no curve to draw")
    precision = recorded_precision(run.environment_file)
    return Curve(config, episodes.steps, episodes.returns, precision)


def draw_curves(runs: Sequence[RunDirectory], output: Path) -> None:
    """Draw one panel a game with one line a run, and the random agent's score.

    Args:
        runs: the runs' directories.
        output: the figure's file; its ending chooses the format (``.png``, ``.svg``, ``.pdf``).

    Raises:
        InputError: no run was given, a run has no curve, or the folder does not exist.
        MissingExtraError: matplotlib is not installed.
    """
    if not runs:
        raise InputError("no run directory was given")
    if not output.parent.is_dir():
        raise InputError(f"the folder {output.parent} for the figure does not exist")
    curves = [load_curve(run) for run in runs]
    image = io.BytesIO()
    with _plain_text():
        figure = _drawn(curves)
        figure.savefig(image, dpi=160, format=output.suffix.lower().removeprefix("."))
    write_bytes(output, image.getvalue())


def _drawn(curves: Sequence[Curve]) -> Any:
    games = sorted({curve.config.game for curve in curves})
    figure, axes = _panels(len(games))
    for game, axis in zip(games, axes, strict=True):
        _draw_game(axis, game, [curve for curve in curves if curve.config.game == game])
    return figure


def _plain_text() -> AbstractContextManager[None]:
    """Have matplotlib draw a dollar in a name as a dollar."""
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise missing_extra("matplotlib", "report", "drawing curves") from error
    settings: dict[Any, Any] = {"text.parse_math": False}
    return rc_context(settings)


def _panels(count: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    columns = min(count, 3)
    rows = -(-count // columns)
    # A Figure of its own rather than pyplot's needs no display and leaves no global state behind.
    figure = Figure(figsize=(1.2 + 4.2 * columns, 3.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.set_axis_off()
    return figure, axes[:count]


def _arm(curve: Curve) -> tuple[str, str]:
    return curve.config.network[0], curve.precision or ""


def _draw_game(axis: Any, game: str, curves: list[Curve]) -> None:
    extractors = {curve.config.network[0] for curve in curves}
    precisions = {curve.precision for curve in curves}
    by_precision = len(extractors) == 1 and len(precisions) > 1
    for curve in sorted(curves, key=lambda curve: (*_arm(curve), curve.config.seed)):
        config = curve.config
        name = f"{config.extractor}, {curve.precision}" if by_precision else config.network[0]
        colour = _colour(curve, by_precision)
        axis.plot(
            curve.steps / 1e6,
            curve.smoothed,
            color=colour,
            linestyle=LINES[config.seed % len(LINES)],
            linewidth=1.6,
            label=f"{_label(name)} ({_label(config.agent)}, seed {config.seed})",
        )
    scores = reference_scores()
    if game in scores:
        axis.axhline(scores[game].random, color="0.5", linestyle=":", label="random agent")
    axis.set_title(_label(game))
    axis.set_xlabel("million agent steps")
    axis.set_ylabel(f"raw return (mean of last {WINDOW} games)")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize="small")


def _label(name: str) -> str:
    return shortened(visible(name), 60)


def _colour(curve: Curve, by_precision: bool) -> str | None:
    extractor, precision = _arm(curve)
    if by_precision:
        return PRECISION_COLOURS.get(precision)
    return EXTRACTORS[extractor].colour if extractor in EXTRACTORS else None
