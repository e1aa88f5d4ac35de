"""The report proves that arms were trained in the same precision, or says that not."""

from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.reports.pairings import pairing_table
from rl_coordconv.reports.precisions import precision_table
from rl_coordconv.reports.report import build_report
from rl_coordconv.reports.table import runs_table

CHANGED = {"precision": "fp32", "precision_reason": "changed to fp32 on request",
           "precision_history": [
               {"from_step": 0, "precision": "bf16", "reason": "asked for"},
               {"from_step": 4096, "precision": "fp32", "reason": "changed to fp32 on request"},
           ]}  # fmt: skip


def compared(folder):
    return gather([folder], {}, Options(resamples=100))


def rows(comparison):
    return list(precision_table(comparison).rows)


def test_arms_that_agree_are_shown_to(tmp_path, write_arm):
    weights = {"paired_weights": {"value_net.weight": [1, 512]}, "unpaired_parameters": []}
    for game, name in (("Pong", "bf16"), ("Breakout", "fp32")):
        for arm in ("cnn", "coordconv"):
            write_arm(tmp_path, arm, [1, 2], game=game, environment={"precision": name} | weights)
    comparison = compared(tmp_path)
    assert rows(comparison) == [
        ("ppo", "Breakout", "cnn fp32 (2); coordconv fp32 (2)", "agree"),
        ("ppo", "Pong", "cnn bf16 (2); coordconv bf16 (2)", "agree"),
    ]
    assert comparison.warnings == ()
    report = build_report(comparison, source="a test", made="today")
    method = next(section for section in report.sections if section.key == "method")
    assert method.tables[:2] == (precision_table(comparison), pairing_table(comparison))


def test_arms_that_differ_are_warned_of(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [1, 2], environment={"precision": "fp32"})
    write_arm(tmp_path, "coordconv", [1, 2], environment={"precision": "bf16"})
    comparison = compared(tmp_path)
    assert rows(comparison) == [("ppo", "Pong", "cnn fp32 (2); coordconv bf16 (2)", "differ")]
    assert comparison.warnings == (
        "ppo: precision differs within a game: cnn fp32 (2); coordconv bf16 (2).",
    )


def test_a_run_that_changed_half_way_is_named(tmp_path, write_run, write_arm):
    write_arm(tmp_path, "coordconv", [1, 2], environment={"precision": "fp32"})
    write_run(tmp_path, score=1, environment={"precision": "fp32"})
    run = write_run(tmp_path, seed=1, score=2, environment=CHANGED)
    comparison = compared(tmp_path)
    told = "bf16, from step 4,096 on fp32"
    assert comparison.warnings == (
        f"1 run changed the precision half-way: Pong, ppo, cnn, seed 1 ({told}).",
    )
    assert rows(comparison) == [
        ("ppo", "Pong", f"cnn {told} (1), fp32 (1); coordconv fp32 (2)", "differ")
    ]
    assert f"| {told} |" in runs_table([run])
    assert not [key for one in comparison.runs for key in one.settings if "history" in key]


def test_what_is_not_recorded_is_said_to_be_unknown(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [1, 2], environment={"precision": None})
    write_arm(tmp_path, "coordconv", [1, 2], environment={"precision": "bf16"})
    assert rows(compared(tmp_path)) == [
        ("ppo", "Pong", "cnn not recorded (2); coordconv bf16 (2)", "unknown")
    ]
