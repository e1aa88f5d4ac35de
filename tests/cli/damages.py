"""What every command makes of every file of a run that is damaged; the page in docs/ shows it.

``python tests/cli/damages.py`` prints the table for docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import yaml

COMMANDS = ("train --resume, finished", "train --resume, interrupted", "evaluate", "export",
            "curves", "compare", "track", "push")  # fmt: skip
"""curves, compare and track are given the damaged run beside a good one."""


class Outcome(Enum):
    """What a command does."""

    REFUSED = "refused"
    """Exit code 2, one line that names the file, and nothing has changed."""
    ASIDE = "set aside"
    """The run is named with the file, and counts nowhere; the others are shown, exit code 0."""
    TOLD = "told"
    """It goes on, and says in a line that names the file what is lost."""
    ANEW = "made anew"
    """It goes on, and the file is whole afterwards."""
    KEPT = "kept aside"
    """It goes on; the file is kept under another name, which is said, and a new one is written."""
    UNUSED = "not needed"
    """It does as if nothing had happened."""


LETTERS = {"R": Outcome.REFUSED, "A": Outcome.ASIDE, "T": Outcome.TOLD, "N": Outcome.ANEW,
           "K": Outcome.KEPT, "U": Outcome.UNUSED}  # fmt: skip


def of(letters: str) -> tuple[Outcome, ...]:
    """Return the outcomes of all commands, one letter each."""
    return tuple(LETTERS[letter] for letter in letters)


GONE, NO_FILE, DAMAGED = "missing", "no file", "damaged"
REPEATED, HUGE = "repeated rows", "huge"

TABLE: dict[str, dict[str, tuple[Outcome, ...]]] = {
    "config.yaml": {GONE: of("RRRRAAAR"), NO_FILE: of("RRRRAAAR"), DAMAGED: of("RRRRAAAR")},
    "status.json": {GONE: of("NNUUAAAU"), NO_FILE: of("RRRRAAAU"), DAMAGED: of("RRRRAAAU")},
    "environment.json": {GONE: of("UNUUUUUU"), NO_FILE: of("RRUUAAUU"), DAMAGED: of("URUUAAUU")},
    "evaluation.json": {GONE: of("TNUUAAAU"), NO_FILE: of("RRUUAAAR"), DAMAGED: of("RNUUAAAR")},
    "monitor.csv": {
        GONE: of("TTUUAAAU"), NO_FILE: of("RRUUAAAU"), DAMAGED: of("TTUUAAAU"),
        REPEATED: of("TNUUAAAU"), HUGE: of("RRUUAAAU"),
    },
    "metrics.jsonl": {
        GONE: of("TTUUAAAU"), NO_FILE: of("RRUUAAAU"), DAMAGED: of("TTUUAAAU"),
        REPEATED: of("TNUUAAAU"), HUGE: of("RRUUAAAU"),
    },
    "record.json": {GONE: of("UNUUUUUU"), NO_FILE: of("RRUUAAAU"), DAMAGED: of("TTUUAAAU")},
    "evaluations.npz": {
        GONE: of("TTUUAAAU"), NO_FILE: of("RRUUAAAU"), DAMAGED: of("TTUUAAAU"),
        HUGE: of("RRUUAAAU"),
    },
    "policy.json": {GONE: of("UNRRUUUR"), NO_FILE: of("RRRRUUUR"), DAMAGED: of("UNRRUUUR")},
    "policy.safetensors": {
        GONE: of("UNRRUUUR"), NO_FILE: of("RRRRUAUR"), DAMAGED: of("UNRRUAUR"),
    },
    "model.zip": {GONE: of("UNUUUUUU"), NO_FILE: of("RRUUUUUR"), DAMAGED: of("UNUUUUUR")},
    "precision.json": {GONE: of("UUUUUUUU"), NO_FILE: of("RRUUUUUU"), DAMAGED: of("UUUUUUUU")},
    "tracking.json": {GONE: of("UUUUUUUU"), NO_FILE: of("RRUUUUAU"), DAMAGED: of("UTUUUUAU")},
    "checkpoints": {GONE: of("UTUUUUUU"), NO_FILE: of("RRUUUUUU"), DAMAGED: of("UTUUUUUU")},
}  # fmt: skip
"""By file and kind of damage, the outcome of each of `COMMANDS`."""

SWEEP_COMMANDS = ("sweep", "sweep status", "compare")
"""The first is the command that trained it, given again."""
SWEEP_TABLE: dict[str, dict[str, tuple[Outcome, ...]]] = {
    "sweep.yaml": {GONE: of("NUU"), NO_FILE: of("KUA"), DAMAGED: of("KUA")},
    "precision.json": {GONE: of("NUU"), NO_FILE: of("RUU"), DAMAGED: of("RUU")},
}
"""The same of a sweep's own files, for `SWEEP_COMMANDS`."""
INITIAL_FILES = ("initial_policy/policy.json", "initial_policy/policy.safetensors")
"""Read only by a run that begins with another's weights and has no checkpoint yet: refused."""


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x91
    path.write_bytes(content)


def _not_utf8(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + path.read_bytes())


def _nul(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _nested(path: Path) -> None:
    path.write_bytes(b"[" * 100_000)


def _number(path: Path) -> None:
    path.write_bytes(b"9" * 6000 + b"\n")


def _list(path: Path) -> None:
    path.write_bytes(b"[]\n")


def _huge(path: Path) -> None:
    """A file that claims, by holes, to have more bytes than any of ours may have."""
    with path.open("r+b") as file:
        file.truncate(2**33)


def _load(path: Path) -> dict[str, object]:
    text = path.read_text()
    return yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)


def _dump(path: Path, data: object) -> None:
    path.write_text(yaml.safe_dump(data) if path.suffix == ".yaml" else json.dumps(data))


def _unknown_key(path: Path) -> None:
    _dump(path, _load(path) | {"colour": "green"})


def _required_key(path: Path) -> None:
    data = _load(path)
    required = {"status.json": "state", "record.json": "format_version", "config.yaml": "game"}
    key = required.get(path.name, next(iter(data), ""))
    _dump(path, {name: value for name, value in data.items() if name != key})


def _wrong_types(path: Path) -> None:
    _dump(path, {key: [{"a": value}] for key, value in _load(path).items()})


def _surrogate(path: Path) -> None:
    path.write_text(json.dumps({key: "\ud800" for key in _load(path)}))


def _not_finite(path: Path) -> None:
    path.write_text(json.dumps({key: float("nan") for key in _load(path)}))


def _alias_bomb(path: Path) -> None:
    lines = ["a: &a [" + "x, " * 9 + "x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]"
              for old, new in zip("abcdefgh", "bcdefghi", strict=True)]  # fmt: skip
    path.write_text("\n".join(lines))


def _long_alias_bomb(path: Path) -> None:
    text = f"a: &a '{'x' * 500_000}'\nb: [{', '.join(['*a'] * 10_000)}]\n"
    path.write_text(text)


def _repeated_rows(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def _each(path: Path, spoil: Callable[[Path], None]) -> None:
    for state in path.glob("*/state.pt"):
        spoil(state)


Spoil = Callable[[Path], None]

ANY: dict[str, Spoil] = {"empty": _empty, "cut": _cut, "NUL bytes": _nul, "not UTF-8": _not_utf8,
                         HUGE: _huge}  # fmt: skip
DATA: dict[str, Spoil] = ANY | {
    "flipped": _flip, "nested 100,000 deep": _nested, "a number too long": _number,
    "a list": _list, "an unknown key": _unknown_key, "a key missing": _required_key,
    "wrong types": _wrong_types,
}  # fmt: skip
JSON: dict[str, Spoil] = DATA | {"a lone surrogate": _surrogate, "NaN": _not_finite}
YAML: dict[str, Spoil] = DATA | {"aliases of aliases": _alias_bomb, "long alias": _long_alias_bomb}
LOG: dict[str, Spoil] = ANY | {"flipped": _flip, REPEATED: _repeated_rows}
CHECKPOINTS: dict[str, Spoil] = {
    name: (lambda path, spoil=spoil: _each(path, spoil))
    for name, spoil in {"empty": _empty, "cut": _cut, "flipped": _flip}.items()
}

DAMAGES: dict[str, dict[str, Spoil]] = {
    "config.yaml": YAML,
    "sweep.yaml": YAML,
    "initial_policy/policy.safetensors": ANY | {"flipped": _flip},
    "monitor.csv": LOG,
    "metrics.jsonl": LOG,
    "evaluations.npz": ANY | {"flipped": _flip},
    "policy.safetensors": ANY,
    "model.zip": ANY | {"flipped": _flip},
    "checkpoints": CHECKPOINTS,
}
"""What counts as damaged, by file; of all others `JSON`."""

LENIENT = {
    ("environment.json", "an unknown key"), ("environment.json", "a key missing"),
    ("environment.json", "flipped"), ("record.json", "a key missing"),
    ("config.yaml", "flipped"), ("config.yaml", "cut"), ("status.json", "flipped"),
    ("evaluation.json", "flipped"), ("record.json", "flipped"), ("policy.json", "flipped"),
    ("evaluations.npz", "not UTF-8"), ("sweep.yaml", "an unknown key"),
    ("sweep.yaml", "a key missing"), ("sweep.yaml", "flipped"),
}  # fmt: skip
"""Damages that leave a file of the right form, so that what becomes of it depends on the byte."""


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _directory(path: Path) -> None:
    _remove(path)
    path.mkdir()


def _plain_file(path: Path) -> None:
    _remove(path)
    path.write_text("no directory")


def _link(path: Path) -> None:
    outside = path.parents[2] / "outside" / path.name
    outside.parent.mkdir(exist_ok=True)
    shutil.move(path, outside)
    path.symlink_to(outside)


def _pipe(path: Path) -> None:
    _remove(path)
    os.mkfifo(path)


def spoils(file: str, kind: str) -> dict[str, Spoil]:
    """Return the damages of a kind that a file is given, by their names."""
    found = DAMAGES.get(file, JSON)
    if kind in found:
        return {kind: found[kind]}
    if kind == GONE:
        return {"missing": _remove}
    if kind == DAMAGED:
        apart = TABLE.get(file, {})
        own = {name for name in found if (file, name) in LENIENT or name in apart}
        return {name: spoil for name, spoil in found.items() if name not in own}
    if file == "checkpoints":
        return {"a file": _plain_file, "a link": _link}
    return {"a directory": _directory, "a link": _link, "a pipe": _pipe}


def markdown_tables() -> str:
    """Write the tables for the page: a row a file and kind of damage, a column a command."""
    return f"{_markdown(TABLE, COMMANDS)}\n{_markdown(SWEEP_TABLE, SWEEP_COMMANDS)}"


def _markdown(table: dict[str, dict[str, tuple[Outcome, ...]]], commands: tuple[str, ...]) -> str:
    rows = [("file", "", *commands), ("---",) * (len(commands) + 2)]
    for file, kinds in table.items():
        for kind, outcomes in kinds.items():
            named = f"`{file}{'/' if file == 'checkpoints' else ''}`"
            what = ", ".join(spoils(file, kind)) if kind != GONE else kind
            rows.append((named, what, *(outcome.value for outcome in outcomes)))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(markdown_tables(), end="")
