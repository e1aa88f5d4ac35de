"""Flags: whole numbers as people write them, and help that says what a flag takes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.presets import preset_names
from rl_coordconv.cli import main
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.flags import whole_number
from rl_coordconv.extractors.registry import EXTRACTORS


@dataclass(frozen=True)
class Arguments:
    """A command's."""

    steps: int = 10
    """How many."""
    most: int | None = None
    """Default: no limit."""
    share: float | None = None
    """A part."""
    place: Path | None = None
    """A file."""
    kind: Literal["one", "two"] | None = None
    """Which."""
    names: tuple[str, ...] | None = None
    """Some."""
    sure: bool | None = None
    """Whether; default: as before."""


def read(*words):
    return parse(Arguments, words, command="try")


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("1e6", 10**6), ("1E6", 10**6), ("2.5e6", 2_500_000), ("10_000_000", 10**7),
     ("-1", -1), ("-1e3", -1000), ("1.50e2", 150), ("1e+3", 1000), ("0e0", 0)],
)  # fmt: skip
def test_whole_numbers_as_people_write_them(text, number):
    assert whole_number(text) == number
    assert read("--steps", text).steps == number
    assert read("--most", text).most == number


@pytest.mark.parametrize(
    "text",
    ["", "many", "1.5", "1.25e1", "1e-3", "e6", "1e", "1e9999999", "nan", "inf", "0x10", "1e6e"],
)
def test_what_is_no_whole_number_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        whole_number(text)
    if text:
        with pytest.raises(InputError, match="--steps"):
            read("--steps", text)


def test_flags_that_may_be_left_out_take_their_type_alone():
    assert read() == Arguments()
    given = read(
        "--share", "0.5", "--place", "a/b", "--kind", "two", "--names", "x", "y", "--sure", "True"
    )
    assert given == Arguments(
        share=0.5, place=Path("a/b"), kind="two", names=("x", "y"), sure=True
    )  # fmt: skip
    assert read("--sure", "false").sure is False
    for flag in ("--most", "--share", "--kind", "--sure"):
        with pytest.raises(InputError, match=flag):
            read(flag, "None")


def test_the_closest_choice_is_named_as_before():
    with pytest.raises(InputError, match="did you mean 'two'"):
        read("--kind", "tow")


def test_help_says_what_is_taken_and_no_none(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    out = capsys.readouterr().out
    assert out.startswith("usage: rl-coordconv try ")
    for line in ("--steps INT", "--most INT", "--share FLOAT", "--place PATH", "--kind {one,two}",
                 "--names NAME ...", "--sure {true,false}"):  # fmt: skip
        assert line in out
    assert "(default: 10)" in out
    assert "None" not in out


@pytest.mark.parametrize(
    "command", ["train", "sweep", "sweep status", "compare", "evaluate", "curves", "task",
                "benchmark layer", "benchmark env", "benchmark train", "benchmark sweep",
                "benchmark memory"],
)  # fmt: skip
def test_no_commands_help_speaks_of_none(command, capsys):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    out = capsys.readouterr().out
    assert out.startswith(f"usage: rl-coordconv {command} ")
    assert not re.search(r"\bNone\b|\(default: \)", out)


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_help_names_every_preset_and_extractor(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    words = set(re.findall(r"[\w-]+", capsys.readouterr().out))
    assert set(preset_names("agents")) <= words
    assert command == "sweep" or set(EXTRACTORS) <= words
