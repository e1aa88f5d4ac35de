"""The report says in which layers an arm began with the baseline's weights."""

from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.reports.pairings import pairing_table

BASE = {"cnn.0.weight": [32, 4, 8, 8], "value_net.weight": [1, 512]}


def compared(folder):
    return gather([folder], {}, Options(resamples=100))


def test_shared_and_other_layers_are_told(tmp_path, write_arm):
    own = {"mine.weight": [8, 4], "value_net.weight": [1, 8], "cnn.0.weight": [32, 4, 8, 8]}
    lists = {"cnn": (BASE, []), "coordconv": (BASE, []), "placebo": (own, ["mine.lstm"])}
    for arm, (weights, rest) in lists.items():
        recorded = {"paired_weights": weights, "unpaired_parameters": rest}
        write_arm(tmp_path, arm, [1, 2], environment=recorded)
    comparison = compared(tmp_path)
    table = pairing_table(comparison)
    assert table.header == ("agent", "arm", "weights shared with cnn", "other weights")
    assert table.rows == (
        ("ppo", "coordconv", "2 of 2 layers", "none"),
        ("ppo", "placebo", "1 of 3 layers",
         "mine.weight (8 x 4; no such layer there); value_net.weight (1 x 8; 1 x 512 there); "
         "mine.lstm (neither linear nor a convolution)"),
    )  # fmt: skip
    assert comparison.warnings == ()  # weights are no setting that should agree


def test_runs_without_a_record_have_no_table(tmp_path, write_arm):
    for arm in ("cnn", "coordconv"):
        write_arm(tmp_path, arm, [1, 2])
    assert pairing_table(compared(tmp_path)) is None
