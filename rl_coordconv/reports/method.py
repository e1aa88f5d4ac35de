"""How the numbers came about, in sentences: the rules that a reviewer would ask for."""

from __future__ import annotations

from rl_coordconv.extractors.arms import is_control
from rl_coordconv.reports import formats
from rl_coordconv.reports.comparison import WARM_UP
from rl_coordconv.reports.curves import WINDOW
from rl_coordconv.reports.outcomes import Comparison
from rl_coordconv.reports.results import IMPORTED


def method(comparison: Comparison) -> list[str]:
    """Return the rules of this report, with its numbers in them."""
    options = comparison.options
    base, percent = options.baseline, f"{options.confidence:.0%}"
    rules = [
        f"Score of a run: mean raw return of the last {WINDOW} training games that ended within "
        "the common budget. Rewards in a score are raw, also where training clips them.",
        "Common budget: the fewest agent steps that a finished run of that game and agent has "
        "trained for. Steps are agent steps over all environments, not emulator frames.",
        "Runs that count: finished ones, each game, agent, arm and seed once. All others are "
        "named in this report, drawn as thin dotted lines, and excluded from every number and "
        "verdict.",
        f"Differences are paired: a run of one arm with the run of {base} that has the same seed.",
        f"The margin is {options.margin:g} times {base}'s mean gain over the random agent "
        "(without a reference score: times its mean without a sign, which says little where scores "
        "cross zero: choose bounds there).",
        "Verdicts, the first that holds: undecided with fewer than 3 pairs; similar where the "
        f"{2 * options.confidence - 1:.0%} interval of the mean paired difference lies within the "
        f"margin around 0 (two one-sided tests); better or worse where its {percent} interval lies "
        "above or below 0; undecided. A difference that is sure but negligible is thus similar.",
        "p is of no mean difference between the pairs; Holm's adjustment is over the games of one "
        "agent and pair of arms. Verdicts do not depend on p.",
        f"Intervals are {percent} intervals: of a game's mean from its runs' spread, of "
        "probabilities and aggregates over games from a stratified bootstrap "
        f"({options.resamples:,} resamples, seed {options.seed}) that draws runs within each game.",
        "P(improvement): how probable it is that a run of the arm beats a run of the other one "
        f"(ties count half). A bootstrap of a handful of runs is too narrow: below "
        f"{formats.FEW_PAIRS} pairs no interval is shown, and no verdict rests on one.",
        f"Steps to threshold: median over runs of the step at which the mean of {WINDOW} games "
        f"first reaches the score half-way between the random agent and {base}'s mean score; "
        f"curves begin with the {WARM_UP}th game. Area under curve: the curve's mean height up to "
        "the budget.",
        _scale(comparison),
        "IQM, the interquartile mean, leaves out the lowest and highest quarter of the runs; the "
        "optimality gap is how far runs stay below 1 on average.",
        "The placebo has as many parameters as coordconv and no position in them: what it gains "
        "too, coordinates did not bring.",
    ]
    if comparison.selection:
        rules.append(
            f"Hyperparameters: each arm's are those with the highest mean score on the seeds "
            f"{formats.seeds(options.select_seeds)}, game by game; only settings with a finished "
            "run on each of these seeds can be chosen. These seeds are in no score, curve or "
            "verdict here."
        )
    if not comparison.divergences:
        rules.append("No run here is on record as having diverged (NaN or infinite losses).")
    if any(run.state == IMPORTED for run in comparison.runs):
        rules.append(
            "Imported runs: the step axis of monitor files is the cumulative episode length over "
            "a run's environments, divided by 4 where the environment's name says NoFrameskip "
            "(SB3 counts emulator frames there); TensorBoard's is its own step, and its values "
            "are means over 100 games already. Their seeds are numbers in their paths' order."
        )
    return rules


def reading(comparison: Comparison) -> list[str]:
    """Say what the words of the answer mean, where they first appear."""
    options = comparison.options
    base, percent = options.baseline, f"{options.confidence:.0%}"
    words = [
        f"An arm is an extractor with its options; {base} is the baseline. A pair is a run of each "
        "of two arms with the same game, agent and seed; what is judged is the mean difference "
        "within pairs.",
        f"better, worse: the {percent} interval of that difference lies above or below zero. "
        f"similar: its {2 * options.confidence - 1:.0%} interval lies within the margin, "
        f"{options.margin:g} times what {base} gained over a random agent. undecided: neither; "
        "these runs cannot tell.",
        "IQM: the mean of the middle half of the runs. " + _scale(comparison),
    ]
    if any(is_control(arm.arm) for game in comparison.games for arm in game.arms):
        words.append(
            "A control has a treatment's parameters without what is claimed to help (placebo: ones "
            "in place of coordinates). What a control gains too, coordinates did not bring."
        )
    return words


def _scale(comparison: Comparison) -> str:
    """Say what 0 and 1 are on the scale on which games are put together."""
    bounds = comparison.options.bounds
    reference = "the random agent, 1 the human tester (reference scores of dqn_zoo)"
    if not bounds:
        return f"Human-normalised: 0 is {reference}."
    chosen = ", ".join(
        f"{game} from {one.random:g} to {one.human:g}" for game, one in bounds.items()
    )
    others = (
        f" Elsewhere 0 is {reference}."
        if {one.cell.game for one in comparison.games} - set(bounds)
        else ""
    )
    return f"Normalised by bounds that were chosen for 0 and 1: {chosen}.{others}"
