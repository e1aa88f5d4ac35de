"""Write the report's files: the page, the Markdown, the table of runs and the figures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rl_coordconv._util.errors import InputError, missing_extra
from rl_coordconv._util.files import write_text
from rl_coordconv._util.links import make_folder
from rl_coordconv._util.text import visible
from rl_coordconv.reports.figures import DARK
from rl_coordconv.reports.markdown import to_markdown
from rl_coordconv.reports.outcomes import Comparison
from rl_coordconv.reports.report import Report, build_report
from rl_coordconv.reports.spreadsheet import to_csv
from rl_coordconv.reports.tables import Arm, Chip

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Written:
    """Where the files are, and the answer that they give.

    Attributes:
        html: the page.
        markdown: the same as Markdown.
        csv: a row a run.
        figures: the folder of the figures.
        answers: of each comparison of two arms, in the order of the tallies.
    """

    html: Path
    markdown: Path
    csv: Path
    figures: Path
    answers: tuple[str, ...]


def write_report(comparison: Comparison, folder: Path, *, source: str, made: str) -> Written:
    """Write ``report.html``, ``report.md``, ``results.csv`` and ``figures/``.

    Args:
        comparison: what was found.
        folder: is made if need be; a report that is there is replaced.
        source: what was read, in words.
        made: when, in words.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        InputError: the folder cannot be written.
    """
    report = build_report(comparison, source=source, made=made)
    page = to_html(report)
    files = Written(
        folder / "report.html",
        folder / "report.md",
        folder / "results.csv",
        folder / "figures",
        tuple(one.sentence for one in report.headlines),
    )
    try:
        make_folder(files.figures)
        for figure in report.figures:
            figure.save(files.figures)
        write_text(files.html, visible(page, keep="\n\t"))
        write_text(files.markdown, visible(to_markdown(report), keep="\n"))
        write_text(files.csv, to_csv(comparison))
    except OSError as error:
        raise InputError(f"cannot write the report into {folder}: {error}") from error
    return files


def to_html(report: Report) -> str:
    """Write the page: one file without scripts that asks for nothing from elsewhere.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise missing_extra("jinja2", "report", "writing a report") from error
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["chip"] = lambda cell: isinstance(cell, Chip)
    environment.tests["arm"] = lambda cell: isinstance(cell, Arm)
    environment.filters["anchor"] = anchor
    # Our own drawing: matplotlib has escaped the names in it.
    environment.filters["drawing"] = lambda svg: Markup(svg)
    return environment.get_template("report.html.j2").render(report=report, dark=DARK)


def anchor(text: str) -> str:
    """Turn a name into what can stand in an ``id`` and after ``#``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text)
