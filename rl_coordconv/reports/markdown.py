"""The report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rl_coordconv._util.text import visible
from rl_coordconv.reports.report import Report, Section
from rl_coordconv.reports.tables import Arm, Cell, Chip, Table


def escape(text: str) -> str:
    """Write text so that Markdown and HTML in it are shown rather than obeyed."""
    flat = visible(" ".join(text.split()))
    quoted = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|#~$!])", r"\\\1", quoted)


def to_markdown(report: Report) -> str:
    """Write the report; its figures are linked as ``figures/<name>.svg``."""
    lines = [f"# {escape(report.title)}", "", escape(report.subtitle), ""]
    for tally in report.tallies:
        lines.append(f"- **{escape(tally.sentence)}**")
    if not report.tallies:
        lines.append(escape(report.nothing))
    lines.append("")
    if report.warnings:
        lines += ["## Read this first", "", *_bullets(report.warnings), ""]
    for section in report.sections:
        lines += _section(section, 2)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _section(section: Section, level: int) -> list[str]:
    lines = [f"{'#' * level} {escape(section.title)}", ""]
    for text in section.text:
        lines += [escape(text), ""]
    if section.bullets:
        lines += [*_bullets(section.bullets), ""]
    for figure in section.figures:
        lines += [f"![{escape(figure.title)}](figures/{figure.name}.svg)", ""]
    for table in section.tables:
        lines += [*_table(table), ""]
    for inner in section.sections:
        lines += _section(inner, level + 1)
    return lines


def _bullets(texts: Iterable[str]) -> list[str]:
    return [f"- {escape(text)}" for text in texts]


def _table(table: Table) -> list[str]:
    rules = ["---"] * table.text + ["---:"] * (len(table.header) - table.text)
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    header = [escape(name) for name in table.header]
    return [f"*{escape(table.caption)}*", ""] + [
        f"| {' | '.join(row)} |" for row in (header, rules, *rows)
    ]


def _cell(cell: Cell) -> str:
    if isinstance(cell, Chip):
        return f"**{escape(cell.word)}**" + (f": {escape(cell.reason)}" if cell.reason else "")
    return escape(cell.name if isinstance(cell, Arm) else cell)
