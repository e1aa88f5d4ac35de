"""Console summary of a run: where it starts from, what it reached, where its files are."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.text import format_seconds
from rl_coordconv.envs import reference_scores
from rl_coordconv.runs import Evaluation, RunConfig, RunDirectory, RunState, Status
from rl_coordconv.runs.checkpoints import has_checkpoint
from rl_coordconv.runs.episodes import read_episodes
from rl_coordconv.runs.record import check_record
from rl_coordconv.training.evaluate import Ablation
from rl_coordconv.training.sketch import sketch_curve
from rl_coordconv.training.trust import names_outside_code


def describe_start(run: RunDirectory) -> str:
    """Say what is about to be trained, and from where."""
    config, status = run.config(), run.status()
    title = _title(config)
    if config.extensions:
        title += (
            f" (extended from {config.first_total:,} to {config.total_timesteps:,} agent steps)"
        )
    if status.state is RunState.DONE:
        return f"{title}: already trained"
    has_any = has_checkpoint(run.checkpoints)
    if status.state is RunState.PENDING and not has_any:
        begins = f"; begins with {config.initial_policy.run}" if config.initial_policy else ""
        return f"{title}: {config.total_timesteps:,} agent steps{begins}; files in {run.path}"
    if not has_any:
        begins = "it has no checkpoint, and begins again at step 0"
        return f"{title}: was {status.state}; {begins}; files in {run.path}"
    return f"{title}: was {status.state}; going on from its last checkpoint in {run.path}"


def describe_run(run: RunDirectory, *, encoding: str = "utf-8") -> str:
    """Say what a run reached, show how it got there, and tell where the model and the curves are.

    Args:
        run: the run.
        encoding: of the terminal that will show it.
    """
    status = run.status()
    lines = ["", f"{_title(run.config())}: {status.state}, {_effort(status)}"]
    if (evaluation := Evaluation.load(run.evaluation_file)) is not None:
        lines.append(describe_evaluation(evaluation))
    lines += _lost(run, status)
    lines += _curve(run, encoding)
    python = _shortened(Path(sys.executable))
    tools = f"{python} -m"
    trust = " --trust" if names_outside_code(run.config()) else ""
    lines += [f"  model     {run.model_file}"]
    lines += [f"  curves    {tools} tensorboard.main --logdir {run.path.parent}"]
    if status.state is RunState.DONE:
        lines += [f"  watch it  {tools} rl_coordconv evaluate {run.path}{trust} --video game.mp4"]
    else:
        lines += [f"  go on     {tools} rl_coordconv train --resume {run.path}{trust}"]
    return "\n".join(lines)


def _lost(run: RunDirectory, status: Status) -> list[str]:
    try:
        check_record(run, status.state)
    except InputError as error:  # the training is over: a report names it, too
        return [f"  its history is not whole: {error}"]
    return []


def _curve(run: RunDirectory, encoding: str) -> list[str]:
    config = run.config()
    try:
        episodes = read_episodes(run.episodes_file)
    except InputError as error:  # the training is over: a report names it, too
        return [f"  no learning curve: {error}"]
    scores = reference_scores().get(config.game)
    drawn = sketch_curve(
        episodes.steps,
        episodes.returns,
        config.total_timesteps,
        floor=scores.random if scores else None,
        encoding=encoding,
    )
    return ["  training episodes, mean raw score:", *drawn] if drawn else []


def describe_evaluation(evaluation: Evaluation) -> str:
    """Say in one or two lines how well an agent played."""
    kind = "most probable actions" if evaluation.deterministic else "sampled actions"
    without = " without coordinates" if evaluation.ablated else ""
    line = (
        f"  played{without} {len(evaluation.returns)} episodes ({kind}): raw score mean "
        f"{evaluation.mean:.1f}, median {evaluation.median:.1f}, standard deviation "
        f"{evaluation.std:.1f}"
    )
    for region, returns in evaluation.elsewhere.items():
        line += f"\n  played {len(returns)} episodes {region}: mean {fmean(returns):.1f}"
    scores = reference_scores().get(evaluation.game)
    if scores is None or evaluation.human_normalized_mean is None:
        return line
    return (
        f"{line}\n  (random agent {scores.random:.1f}, human {scores.human:.1f}: human-normalised "
        f"{evaluation.human_normalized_mean:.2f})"
    )


def describe_ablation(ablation: Ablation) -> str:
    """Say how much of the score depended on the coordinates."""
    lines = [describe_evaluation(ablation.intact), describe_evaluation(ablation.ablated)]
    verdict = f"  taking the coordinates away cost {ablation.lost:.1f} points of the mean"
    if ablation.share_lost is not None:
        verdict += f", {ablation.share_lost:.0%} of what the agent has over a random one"
    return "\n".join([*lines, verdict])


def _title(config: RunConfig) -> str:
    return f"{config.game}, {config.agent}, {config.network[0]}, seed {config.seed}"


def _effort(status: Status) -> str:
    text = f"{status.num_timesteps:,} agent steps in {format_seconds(status.training_seconds)}"
    if status.resumes:
        text += f" over {status.resumes + 1} attempts"
    if status.divergence_retries:
        text += f"; tried again {status.divergence_retries} times after it had diverged"
    return text


def _shortened(path: Path) -> Path:
    """Return a path relative to the current directory where it lies under it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
