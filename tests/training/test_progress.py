"""What a person sees while a training runs."""

import io

from rich.console import Console

from rl_coordconv.training.progress import (
    SpeedMeter,
    describe_progress,
    open_progress,
)


def test_a_line_says_steps_speed_return_and_time_left():
    line = describe_progress(250_000, 1_000_000, 500.0, -12.34)
    assert line == "250,000/1,000,000 steps  500 steps/s  return -12.3  25:00 left"
    assert describe_progress(0, 10, 0.0, None) == "0/10 steps  0 steps/s  return -  ? left"


def test_the_speed_is_that_of_the_window():
    meter = SpeedMeter(window_seconds=10)
    assert meter.update(0.0, 0) == 0.0
    assert meter.update(5.0, 500) == 100.0
    assert meter.update(15.0, 1000) == 50.0  # 0 s is out of the window by now


def test_without_a_terminal_there_are_plain_lines(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=40)
    display = open_progress(console, "Pong", 1000)
    for now[0], steps in ((10.0, 100), (31.0, 310), (40.0, 400), (62.0, 620)):
        display.update(steps, -20.0)
    display.close()
    lines = console.file.getvalue().splitlines()
    assert lines == [
        "Pong  310/1,000 steps  10 steps/s  return -20.0  1:09 left",
        "Pong  620/1,000 steps  10 steps/s  return -20.0  0:38 left",
    ]


def test_in_a_terminal_there_is_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    display = open_progress(console, "Pong", 1000, done=500)
    display.update(600, -20.0)
    display.close()
    text = console.file.getvalue()
    assert "600/1,000 steps" in text
    assert "60%" in text
    assert "━" in text
