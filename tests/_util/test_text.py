"""Text from files: shown, never obeyed."""

import pytest

from rl_coordconv._util.text import as_cell, as_name, as_reason, format_seconds, shortened, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Pong", "Pong"), ("größe 猫 ä", "größe 猫 ä"), ("a\u00a0b", "a\u00a0b"),
        ("\x1b[31mred", "\\x1b[31mred"), ("a\0b", "a\\x00b"), ("\x9b2J", "\\x9b2J"),
        ("\x7f", "\\x7f"), ("a\u202egnp", "a\\u202egnp"), ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\ufeff", "\\ufeff"), ("\u2028", "\\u2028"), ("\ud800", "\\ud800"), ("a\nb", "a\\nb"),
        ("[bold]x[/b]", "[bold]x[/b]"),
    ],
)  # fmt: skip
def test_what_steers_becomes_its_escape(text, shown):
    assert visible(text) == shown


def test_ends_of_lines_can_be_kept():
    assert visible("a\n\tb\r\x1b", keep="\n\t") == "a\n\tb\\r\\x1b"


def test_long_names_stay_different():
    first, second = ("x" * 5000 + end for end in "ab")
    assert len(as_name(first)) == 300
    assert as_name(first) != as_name(second)
    assert as_name(first) == as_name(first)
    assert shortened("x" * 20, 20) == "x" * 20
    assert shortened("x" * 21, 20).startswith("x" * 8 + "... ")
    assert len(as_reason("a\nb " * 5000)) == 1000


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "\uff1d1+1", "-", "+cmd"],
)
def test_a_cell_that_a_spreadsheet_would_compute_is_text(text):
    assert as_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["-1.5", "+3", "1e-5", "-2e10", ".5", "", "a=b", "cnn", "1-2"])
def test_numbers_and_words_stay_as_they_are(text):
    assert as_cell(text) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.2, "1:00"), (61, "1:01"), (3600, "1:00:00"), (-5, "0:00")],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text
