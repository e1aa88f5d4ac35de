"""Learning curves from a run's files."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from rl_coordconv._util.errors import InputError
from rl_coordconv.reports.curves import (
    PRECISION_COLOURS,
    _draw_game,
    draw_curves,
    load_curve,
    trailing_mean,
)
from rl_coordconv.reports.table import runs_table
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.training.resolve import resolve_run


def make_run(tmp_path, returns, **options) -> RunDirectory:
    run = RunDirectory.create(resolve_run("Pong", **options), tmp_path)
    rows = [f"{value},3000,1.0,{100 * (index + 1)}" for index, value in enumerate(returns)]
    run.episodes_file.write_text("\n".join(["#{}", "r,l,t,step", *rows, ""]))
    return run


def test_trailing_mean_by_hand():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert trailing_mean(values, 2).tolist() == [1.0, 1.5, 2.5, 3.5]
    assert trailing_mean(values, 100).tolist() == [1.0, 1.5, 2.0, 2.5]


def test_a_curve_has_a_point_a_game(tmp_path):
    curve = load_curve(make_run(tmp_path, [-21, -20, -19]))
    assert curve.steps.tolist() == [100, 200, 300]
    assert curve.returns.tolist() == [-21, -20, -19]
    assert curve.smoothed.tolist() == [-21, -20.5, -20]


def test_half_a_row_at_the_end_is_left_out(tmp_path):
    run = make_run(tmp_path, [-21, -20])
    with run.episodes_file.open("a") as file:
        file.write("-19,3000,1.0,30")
    assert load_curve(run).steps.tolist() == [100, 200]


def test_a_run_without_a_finished_game_is_named(tmp_path):
    with pytest.raises(InputError, match="no game has ended yet in .*Pong-ppo-coordconv"):
        load_curve(make_run(tmp_path, []))


def test_a_figure_is_drawn_with_both_arms_and_the_random_agent(tmp_path):
    pytest.importorskip("matplotlib")
    runs = [make_run(tmp_path, [-21, -18], extractor=name) for name in ("cnn", "coordconv")]
    draw_curves(runs, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text()
    for label in ("cnn (ppo, seed 0)", "coordconv (ppo, seed 0)", "random agent", "Pong"):
        assert label in text
    draw_curves(runs, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_nothing_to_draw_or_nowhere_to_draw_it_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run directory"):
        draw_curves([], tmp_path / "figure.png")
    with pytest.raises(InputError, match="nowhere"):
        draw_curves([make_run(tmp_path, [1])], tmp_path / "nowhere" / "figure.png")


def test_precisions_of_one_extractor_are_told_apart(tmp_path):
    curves = []
    for precision in ("fp32", "bf16"):
        run = make_run(tmp_path / precision, [-21, -20])
        run.environment_file.write_text(json.dumps({"precision": precision}))
        curves.append(load_curve(run))
    axis = Figure().subplots()
    _draw_game(axis, "Pong", curves)
    lines = {line.get_label(): line.get_color() for line in axis.get_lines()}
    assert lines["coordconv, fp32 (ppo, seed 0)"] == PRECISION_COLOURS["fp32"]
    assert lines["coordconv, bf16 (ppo, seed 0)"] == PRECISION_COLOURS["bf16"]


def test_the_table_has_a_row_a_run(tmp_path, judged):
    run = make_run(tmp_path, [-21, -20, -16])
    Status(state=RunState.DONE, num_timesteps=1_000_448, training_seconds=600).save(run.status_file)
    run.environment_file.write_text('{"precision": "bf16"}')
    judged([-17.25, -13.25]).save(run.evaluation_file)
    row = runs_table([run]).splitlines()[-1]
    assert row == (
        "| Pong | ppo | coordconv | 0 | 1,000,448 | 10 | bf16 | -19.0 | -15.2 ± 2.0 (2) |"
    )
    run.environment_file.unlink()
    run.evaluation_file.unlink()
    assert runs_table([run]).splitlines()[-1].endswith("| 10 | - | -19.0 | - |")
