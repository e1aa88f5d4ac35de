"""A learning curve drawn with characters."""

import numpy as np
import pytest

from rl_coordconv.training.sketch import HEIGHT, WIDTH, sketch_curve


def drawn(lines):
    return [line.partition("|")[2] for line in lines[:HEIGHT]]


def heights(lines):
    """Return how high each column is, in rows, counting eighths."""
    rows = [row.ljust(WIDTH) for row in drawn(lines)]
    return [sum(" ▁▂▃▄▅▆▇█".index(row[column]) for row in rows) / 8 for column in range(WIDTH)]


def test_a_straight_line():
    steps = np.arange(1, 601) * 10
    lines = sketch_curve(steps, steps / 1000, 6000)
    expected = [(column + 0.55) / 10 for column in range(WIDTH)]  # each column's mean
    low, high = expected[0], expected[-1]
    scaled = [(mean - low) / (high - low) * HEIGHT for mean in expected]
    np.testing.assert_allclose(heights(lines)[1:], scaled[1:], atol=0.0626)
    assert lines[0].startswith("  5.955 |")
    assert lines[HEIGHT - 1].startswith("  0.055 |▁")  # the least is shown as well
    assert lines[-1] == f"  {'':5} 0{'6,000 agent steps':>{WIDTH}}"


def test_a_column_without_games_repeats_the_one_before():
    lines = sketch_curve([100, 1000], [0.0, 8.0], 1000)
    assert heights(lines)[5:59] == [1 / 8] * 54
    assert heights(lines)[59] == HEIGHT


def test_what_is_not_trained_yet_stays_empty():
    lines = sketch_curve([100, 500], [0.0, 8.0], 1000)
    assert set(heights(lines)[30:]) == {0}
    assert heights(lines)[29] == HEIGHT


def test_the_floor_is_at_the_bottom_unless_less_was_reached():
    lines = sketch_curve([100, 1000], [0.0, 10.0], 1000, floor=-10.0)
    assert lines[HEIGHT - 1].startswith("  -10 |")
    assert heights(lines)[5] == HEIGHT / 2
    lines = sketch_curve([100, 1000], [-20.0, 10.0], 1000, floor=-10.0)
    assert lines[HEIGHT - 1].startswith("  -20 |")


def test_returns_that_are_all_equal_are_drawn():
    assert heights(sketch_curve([100, 1000], [3.0, 3.0], 1000))[59] == 1 / 8


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", "█"), ("ascii", "#"), ("cp1252", "#"), ("nonsense", "#")]
)
def test_a_terminal_gets_what_it_can_show(encoding, mark):
    lines = sketch_curve([100, 1000], [0.0, 8.0], 1000, encoding=encoding)
    assert drawn(lines)[0].strip() == mark
    if encoding != "nonsense":
        assert "\n".join(lines).encode(encoding)


@pytest.mark.parametrize(("steps", "returns"), [([], []), ([5], [1.0]), ([995, 1000], [1.0, 2.0])])
def test_nothing_is_drawn_of_too_little(steps, returns):
    assert sketch_curve(steps, returns, 1000) == []
