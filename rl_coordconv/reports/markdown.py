"""The report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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
    for one in report.headlines:
        rest = " ".join(part for part in (one.verdicts, one.shortage) if part)
        lines.append(f"- **{escape(one.sentence)}** {escape(rest)}")
    if not report.headlines:
        lines.append(escape(report.nothing))
    else:
        lines += ["", "What the words mean:", "", *_bullets(report.reading)]
    lines.append("")
    if report.warnings:
        lines += ["## Before you trust it", "", *_bullets(report.warnings), ""]
    for section in report.sections:
        lines += _section(section, 2, report.names)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _section(section: Section, level: int, names: Mapping[str, str]) -> list[str]:
    lines = [f"{'#' * level} {escape(section.title)}", ""]
    for text in section.text:
        lines += [escape(text), ""]
    if section.bullets:
        lines += [*_bullets(section.bullets), ""]
    for figure in section.figures:
        lines += [f"![{escape(figure.title)}](figures/{figure.name}.svg)", ""]
    for table in section.tables:
        lines += [*_table(table, names), ""]
    for inner in section.sections:
        lines += _section(inner, level + 1, names)
    return lines


def _bullets(texts: Iterable[str]) -> list[str]:
    return [f"- {escape(text)}" for text in texts]


def _table(table: Table, names: Mapping[str, str]) -> list[str]:
    numbers = len(table.header) - table.text - table.notes
    rules = ["---"] * table.text + ["---:"] * numbers + ["---"] * table.notes
    rows = [[_cell(cell, names) for cell in row] for row in table.rows]
    header = [escape(name) for name in table.header]
    return [f"*{escape(table.caption)}*", ""] + [
        f"| {' | '.join(row)} |" for row in (header, rules, *rows)
    ]


def _cell(cell: Cell, names: Mapping[str, str]) -> str:
    if isinstance(cell, Chip):
        return f"**{escape(cell.word)}**" + (f": {escape(cell.reason)}" if cell.reason else "")
    return escape(names.get(cell.name, cell.name) if isinstance(cell, Arm) else cell)
