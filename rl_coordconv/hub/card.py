"""The model card: what the agent is, what it scored, how it was made, how it is loaded."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import yaml

from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_bytes
from rl_coordconv._util.text import visible
from rl_coordconv.hub.files import CARD, FIGURE, VIDEO, model_name
from rl_coordconv.runs import Evaluation, RunConfig, RunDirectory

_PROGRAM = 2
"""Words before a command's own: the interpreter's and the script's."""


def write_card(
    run: RunDirectory, repo_id: str, evaluation: Evaluation | None, files: Iterable[str]
) -> str:
    """Return the card's text.

    Args:
        run: the run.
        repo_id: where it is published.
        evaluation: of the agent; None where it was not evaluated.
        files: the names of those beside the card.
    """
    config = run.config()
    there = set(files)
    head = yaml.safe_dump(_metadata(config, evaluation), sort_keys=False, allow_unicode=True)
    extractor, options = config.network
    told = f"{extractor} {options}" if options else extractor
    parts = [
        f"---\n{head}---",
        f"# {config.preset.algorithm.upper()} on {config.game}, extractor {told}",
        f"Trained for {config.total_timesteps:,} agent steps with rl-coordconv, seed "
        f"{config.seed}, preset `{config.agent}`.",
        *_scores(evaluation),
        *([f"![Learning curve]({FIGURE})"] if FIGURE in there else []),
        *([f"A game: [{VIDEO}]({VIDEO})"] if VIDEO in there else []),
        *_command(run.command_file),
        "## Loading it",
        "From `policy.safetensors` and `policy.json`, numbers and names that run no code:",
        f"```\nrl-coordconv pull {repo_id} --output agent\nrl-coordconv evaluate agent\n```",
        '```python\nfrom rl_coordconv import load_policy\n\npolicy = load_policy("agent")\n```',
    ]
    name = model_name(config)
    if name in there:
        parts.append(
            f"`{name}` is stable-baselines3's own zip: loading it unpickles it, which runs the "
            "code it contains."
        )
    parts.append("All files: " + ", ".join(f"`{one}`" for one in sorted(there | {CARD})))
    return "\n\n".join(parts) + "\n"


def _metadata(config: RunConfig, evaluation: Evaluation | None) -> dict[str, Any]:
    tags = [config.game, "deep-reinforcement-learning", "reinforcement-learning",
            "stable-baselines3", "rl-coordconv", "coordconv"]  # fmt: skip
    data: dict[str, Any] = {"library_name": "stable-baselines3", "tags": tags}
    if evaluation is None:
        return data
    score = f"{evaluation.mean:.2f} +/- {evaluation.std:.2f}"
    result = {
        "task": {"type": "reinforcement-learning", "name": "reinforcement-learning"},
        "dataset": {"name": config.game, "type": config.game},
        "metrics": [
            {"type": "mean_reward", "value": score, "name": "mean_reward", "verified": False}
        ],
    }
    name = config.preset.algorithm.upper()
    return data | {"model-index": [{"name": name, "results": [result]}]}


def _scores(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return ["It was not evaluated."]
    how = "most probable actions" if evaluation.deterministic else "sampled actions"
    protocol = f", protocol `{evaluation.protocol}`" if evaluation.protocol else ""
    row = (f"{evaluation.mean:.2f}", f"{evaluation.std:.2f}", f"{evaluation.median:.2f}",
           str(len(evaluation.returns)))  # fmt: skip
    lines = [
        "| mean raw score | standard deviation | median | episodes |",
        "|---|---|---|---|",
        f"| {' | '.join(row)} |",
    ]
    for region, returns in evaluation.elsewhere.items():
        mean = sum(returns) / len(returns)
        lines.append(f"| {mean:.2f} ({region}) | | | {len(returns)} |")
    return ["\n".join(lines), f"Full episodes, {how}{protocol}, on seeds that training never used."]


def _command(path: Path) -> list[str]:
    """Return the command that began the run, without the folders of the machine it ran on."""
    if not is_there(path):
        return []
    first = read_bytes(path).decode("utf8", "replace").partition("\n")[0]
    try:
        words = shlex.split(first)[_PROGRAM:]
    except ValueError:
        return []
    if words and words[0].startswith("-"):  # of scripts/train_atari.py
        words = ["train", *words]
    if words[:1] != ["train"]:  # a sweep's worker, which nobody types
        return []
    told = shlex.join(["rl-coordconv", *(_without_folders(visible(word)) for word in words)])
    return [f"```\n{told}\n```"]


def _without_folders(word: str) -> str:
    flag, equals, value = word.partition("=")
    if equals and PurePath(value).is_absolute():
        return f"{flag}={PurePath(value).name}"
    return PurePath(word).name if PurePath(word).is_absolute() else word
