"""The report's figures, each drawn once for the page (SVG) and as files (SVG and PNG)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_coordconv import statistics
from rl_coordconv._util.errors import missing_extra
from rl_coordconv._util.files import write_bytes, write_text
from rl_coordconv._util.text import shortened
from rl_coordconv.extractors import EXTRACTORS
from rl_coordconv.extractors.arms import extractor_of
from rl_coordconv.reports import forest
from rl_coordconv.reports.comparison import POINTS, curve
from rl_coordconv.reports.labels import short_names
from rl_coordconv.reports.outcomes import ArmOnGame, Comparison, GameResult
from rl_coordconv.reports.results import Floats
from rl_coordconv.reports.suite import Band, SuiteResult

OTHER_COLOURS = ("#7b5ea7", "#b8860b", "#00838f", "#c2477f", "#5d7052", "#6d4c41")
"""For arms without a colour of their own, in the order of their names."""

DARK = {
    "#4c5b6b": "#a9bacb",
    "#d1551f": "#f08a4b",
    "#8f2d56": "#e0709f",
    "#9aa5b1": "#7f8b98",
    "#2f6690": "#6aaede",
    "#3a9d5d": "#5cc584",
    "#7b5ea7": "#b49be0",
    "#b8860b": "#e0b648",
    "#00838f": "#4fc3cf",
    "#c2477f": "#ee86b4",
    "#5d7052": "#a3b897",
    "#6d4c41": "#bf9c90",
}
"""The same colours on a dark page."""

_FEW_BANDS = 3
"""More of them cover each other unless they are paler."""

_LONGEST_LABEL = 80
"""Characters; the axes need some room, too."""

INK, PAPER = "#1b1f25", "#fefefe"
"""Placeholders: on the page, ink becomes the text's colour and paper becomes see-through."""


@dataclass(frozen=True)
class Figure:
    """A drawn figure.

    Attributes:
        name: of its files, without an ending.
        title: what it shows, for those who do not see it.
        inline: SVG for the page, following the page's colours.
        svg: SVG that stands alone, on white.
        png: the same as PNG.
    """

    name: str
    title: str
    inline: str
    svg: str
    png: bytes

    def save(self, folder: Path) -> None:
        """Write ``<name>.svg`` and ``<name>.png``; raises as `write_bytes`."""
        write_text(folder / f"{self.name}.svg", self.svg)
        write_bytes(folder / f"{self.name}.png", self.png)


class Painter:
    """Draws the figures of one report.

    Args:
        comparison: what is drawn; decides the colours of arms that have none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def __init__(self, comparison: Comparison) -> None:
        try:
            import matplotlib
        except ImportError as error:
            raise missing_extra("matplotlib", "report", "drawing a report's figures") from error
        self._context = matplotlib.rc_context
        self._confidence = comparison.options.confidence
        self._comparison = comparison
        names = {(arm.arm, arm.extractor) for game in comparison.games for arm in game.arms}
        shared = [extractor for _, extractor in names]
        # An extractor's own colour is only its own while one arm has it.
        own = {name: spec.colour for name, spec in EXTRACTORS.items() if spec.colour}
        others = sorted(a for a, e in names if e not in own or (shared.count(e) > 1 and a != e))
        self._colours = {arm: own[e] for arm, e in names if arm not in others}
        self._colours |= {
            arm: OTHER_COLOURS[index % len(OTHER_COLOURS)] for index, arm in enumerate(others)
        }
        self._names = short_names(arm for arm, _ in names)

    def colour(self, arm: str) -> str:
        """Return an arm's colour."""
        return self._colours.get(arm, "#4c5b6b")

    def name(self, arm: str) -> str:
        """Return an arm's short name."""
        return self._names.get(arm, arm)

    def differences(self, agent: str, arm: str, other: str) -> Figure | None:
        """Draw how two arms differ on every game, each with its interval; None without a game."""
        found = forest.rows(self._comparison, agent, arm, other)
        if not found:
            return None
        options = self._comparison.options
        title = (
            f"{self.name(arm)} minus {self.name(other)}, {agent}: mean difference of each game and "
            f"its {self._confidence:.0%} interval; grey, the margin"
        )

        def draw(axis: Any) -> None:
            forest.draw(axis, found, options.margin, options.baseline)

        size = (4.6, 1.0 + 0.27 * len(found))
        return self._figure(f"differences-{agent}-{arm}-{other}", title, draw, size)

    def curves(self, game: GameResult) -> Figure | None:
        """Draw one game's learning curves: mean over seeds and its band, one colour an arm."""
        cell = game.cell
        if not any(arm.n for arm in game.arms) and not cell.unfinished:
            return None

        unit, steps = _unit(cell.budget)

        def draw(axis: Any) -> None:
            shown = [arm for arm in game.arms if arm.n]
            for arm in shown:
                band = _curve_band(arm, cell.budget, unit, self._confidence)
                self._band(axis, band, arm, len(shown))
            for run in cell.unfinished:
                axis.plot(
                    curve(run)[0] / unit, curve(run)[1], color=self.colour(run.arm),
                    linewidth=0.9, linestyle=":",
                )  # fmt: skip
            if cell.unfinished:
                axis.plot([], [], color=INK, linewidth=0.9, linestyle=":", label="unfinished run")
            if game.random is not None:
                axis.axhline(game.random, color="#8a9099", linestyle=(0, (1, 2)), linewidth=1.2)
            axis.set_xlabel(steps)
            axis.set_ylabel("raw return")
            self._legend(axis, game.lower if game.random is not None else None)

        title = f"Learning curves of {cell.agent} on {cell.game}"
        return self._figure(f"curves-{cell.agent}-{cell.game}", title, draw, (5.6, 3.5))

    def profiles(self, suite: SuiteResult) -> Figure | None:
        """Draw the part of the runs that lie above each human-normalised score."""
        return self._bands(
            suite, f"profiles-{suite.agent}", f"Performance profiles of {suite.agent}",
            [(row.arm, row.profile) for row in suite.rows],
            f"{suite.scale} score", "part of runs above it",
        )  # fmt: skip

    def efficiency(self, suite: SuiteResult) -> Figure | None:
        """Draw the interquartile mean over the fraction of the budget that is spent."""
        return self._bands(
            suite, f"efficiency-{suite.agent}", f"Sample efficiency of {suite.agent}",
            [(row.arm, row.efficiency) for row in suite.rows],
            "fraction of the budget", f"IQM, {suite.scale}",
        )  # fmt: skip

    def weights(self, game: GameResult) -> Figure | None:
        """Draw how the coordinate weights grew beside the image weights."""
        cell = game.cell
        if not any(run.weights for run in cell.runs):
            return None

        unit, steps = _unit(cell.budget)

        def draw(axis: Any) -> None:
            for arm in game.arms:
                self._weights_of(axis, arm, cell.budget, unit)
            axis.set_xlabel(steps)
            axis.set_ylabel("coordinate / image weights")
            self._legend(axis, None)

        title = f"Coordinate weights of {cell.agent} on {cell.game}"
        return self._figure(f"weights-{cell.agent}-{cell.game}", title, draw, (4.6, 3.2))

    def _weights_of(self, axis: Any, arm: ArmOnGame, budget: int, unit: float) -> None:
        layers = sorted({layer for run in arm.runs for layer in run.weights})
        for index, layer in enumerate(layers):
            runs = [run for run in arm.runs if layer in run.weights]
            grid = np.linspace(0, budget, POINTS)
            rows = [statistics.on_grid(*run.weights[layer], grid) for run in runs]
            short = layer.removeprefix("features_extractor.")
            name = self.name(arm.arm)
            label = _label(name if len(layers) == 1 else f"{name}, {short}")
            style = ("-", "--", ":", "-.")[index % 4]
            axis.plot(
                grid / unit, _mean(np.array(rows)), color=self.colour(arm.arm), linestyle=style,
                label=label, linewidth=1.6,
            )  # fmt: skip

    def _bands(
        self,
        suite: SuiteResult,
        name: str,
        title: str,
        bands: Sequence[tuple[str, Band]],
        xlabel: str,
        ylabel: str,
    ) -> Figure | None:
        if not suite.rows:
            return None
        rows = {row.arm: row for row in suite.rows}

        def draw(axis: Any) -> None:
            for arm, band in bands:
                self._band(axis, band, rows[arm], len(bands))
            axis.set_xlabel(xlabel)
            axis.set_ylabel(ylabel)
            self._legend(axis, None)

        return self._figure(name, title, draw, (5.6, 3.5))

    def _band(self, axis: Any, band: Band, arm: Any, beside: int) -> None:
        colour = self.colour(arm.arm)
        n = f" (n = {arm.n})"
        axis.plot(
            band.x, band.estimate, color=colour, linewidth=1.8,
            label=_label(self.name(arm.arm)) + n, linestyle=_dashes(arm.arm),
        )  # fmt: skip
        known = np.isfinite(band.low) & np.isfinite(band.high)
        axis.fill_between(
            band.x, band.low, band.high, where=known, color=colour, linewidth=0,
            alpha=0.16 if beside <= _FEW_BANDS else 0.08,
        )  # fmt: skip

    def _legend(self, axis: Any, dotted: str | None) -> None:
        handles, labels = axis.get_legend_handles_labels()
        if dotted:
            from matplotlib.lines import Line2D

            handles.append(Line2D([], [], color="#8a9099", linestyle=(0, (1, 2)), linewidth=1.2))
            labels.append(dotted)
        if handles:
            # Below the axes: several bands leave no corner free.
            axis.figure.legend(
                handles, labels, frameon=False, fontsize=8.5, loc="outside lower center", ncols=2
            )

    def _figure(
        self,
        name: str,
        title: str,
        draw: Callable[[Any], None],
        size: tuple[float, float],
    ) -> Figure:
        from matplotlib.figure import Figure as Canvas

        style: dict[Any, Any] = {
            "svg.fonttype": "none",  # text stays text: it can be read out, found and copied
            "svg.hashsalt": name,
            "text.parse_math": False,  # a dollar in a name is a dollar
            "font.size": 10,
            "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
            "xtick.color": INK, "ytick.color": INK, "axes.titlecolor": INK,
        }  # fmt: skip
        with self._context(style):
            canvas = Canvas(figsize=size, layout="constrained", facecolor=PAPER)
            axis = canvas.subplots()
            axis.set_facecolor("none")
            axis.grid(color="#8a9099", alpha=0.22, linewidth=0.7)
            axis.spines[["top", "right"]].set_visible(False)
            draw(axis)
            text, image = io.StringIO(), io.BytesIO()
            canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
            canvas.savefig(image, format="png", dpi=150, metadata={"Software": None})
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", shortened(name, 100)).strip("._") or "figure"
        svg = text.getvalue()
        return Figure(safe, title, inline_svg(svg, safe), svg, image.getvalue())


def _unit(budget: int) -> tuple[float, str]:
    """Return what steps are divided by on an axis, and what it is called."""
    return (1e6, "million agent steps") if budget >= 1e6 else (1e3, "thousand agent steps")


def _curve_band(arm: ArmOnGame, budget: int, unit: float, confidence: float) -> Band:
    grid = np.linspace(0, budget, POINTS)
    rows = np.array([statistics.on_grid(*curve(run), grid) for run in arm.runs])
    # Before every run has a point, a mean would be one of fewer runs.
    known = np.isfinite(rows).all(axis=0)
    mean, low, high = statistics.curve_band(rows[:, known], confidence)
    return Band(grid[known] / unit, mean, low, high)


def _mean(rows: Floats) -> Floats:
    return np.where(np.isfinite(rows).all(axis=0), np.mean(np.nan_to_num(rows), axis=0), np.nan)


def inline_svg(svg: str, prefix: str) -> str:
    """Make matplotlib's SVG a part of a page.

    The prolog and the metadata go; identifiers get a prefix, since a page holds many figures; and
    colours follow the page's: the ink its text's, an arm's its variable.

    Args:
        svg: a whole SVG file.
        prefix: unique on the page; letters, digits, ``._-``.
    """
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    body = re.sub(r"<[^>]*>", lambda tag: _inline_tag(tag[0], prefix), body)
    size = re.match(r'<svg[^>]*?width="([\d.]+)pt"', body)
    if size:  # as wide as the page, but not much wider than it was drawn
        body = re.sub(r' (?:width|height)="[\d.]+pt"', "", body, count=2)
        body = body.replace(
            "<svg", f'<svg style="max-width: {1.2 * float(size[1]):.0f}pt" aria-hidden="true"', 1
        )
    return body


def _inline_tag(tag: str, prefix: str) -> str:
    tag = re.sub(r'\bid="', f'id="{prefix}-', tag)
    tag = tag.replace("url(#", f"url(#{prefix}-").replace('href="#', f'href="#{prefix}-')
    tag = re.sub(r"(\.\d\d)\d+", r"\1", tag)  # hundredths of a point are enough
    tag = tag.replace(INK, "currentColor").replace(PAPER, "none")
    for colour in DARK:
        tag = tag.replace(colour, f"var(--c{colour[1:]}, {colour})")
    return tag


def _dashes(arm: str) -> Any:
    spec = EXTRACTORS.get(extractor_of(arm))
    return spec.dashes if spec is not None else "-"


def _label(name: str) -> str:
    return shortened(name, _LONGEST_LABEL)
