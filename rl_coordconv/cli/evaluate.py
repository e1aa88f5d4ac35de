"""``rl-coordconv evaluate``: let a trained agent play."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console

if TYPE_CHECKING:
    from rl_coordconv.experiments.evaluate import LoadedAgent


@dataclass(frozen=True)
class EvaluateArguments:
    """Let a trained agent play whole games; film one; or see what it is without its coordinates."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """The run's directory."""
    episodes: int = 30
    """Whole games to play; 0 plays none (with --video)."""
    video: Path | None = None
    """Film one more game into this file (.mp4, .mkv, .mov); needs rl-coordconv[video]."""
    ablate_coordinates: bool = False
    """Play the same games again with the coordinate channels zeroed, and compare."""
    deterministic: bool | None = None
    """Take the most probable action instead of sampling; default: as the run was evaluated."""
    repetition: int = 0
    """Another number plays other games."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""
    output: Path | None = None
    """Also write the outcome to this file as JSON."""


def run(argv: list[str]) -> int:
    """Parse the flags, play, and print the scores."""
    arguments = tyro.cli(EvaluateArguments, args=argv, prog="evaluate")
    from rl_coordconv.errors import InputError
    from rl_coordconv.experiments.evaluate import load_agent, unfinished_note
    from rl_coordconv.experiments.video import film_game
    from rl_coordconv.runs import RunDirectory

    if arguments.episodes < 1 and arguments.video is None:
        raise InputError(f"--episodes {arguments.episodes} is not at least 1")
    console = Console(soft_wrap=True, highlight=False)
    directory = RunDirectory(arguments.run_dir)
    agent = load_agent(directory, arguments.device)
    if note := unfinished_note(agent):
        console.print(f"note: {note}")
    options: dict[str, Any] = {
        "deterministic": arguments.deterministic,
        "repetition": arguments.repetition,
    }
    if arguments.episodes > 0:
        _play(agent, arguments, options, console)
    if arguments.video is not None:
        film = film_game(agent, arguments.video, **options)
        when = "" if film.is_whole_game else " when the film was cut"
        console.print(
            f"  filmed    {arguments.video} ({film.seconds:.0f} s, score {film.score:.0f}{when})"
        )
    return 0


def _play(
    agent: LoadedAgent, arguments: EvaluateArguments, options: dict[str, Any], console: Console
) -> None:
    from rl_coordconv.experiments.evaluate import ablate_coordinates, play
    from rl_coordconv.experiments.summary import describe_ablation, describe_evaluation

    if arguments.ablate_coordinates:
        ablation = ablate_coordinates(agent, arguments.episodes, **options)
        console.print(describe_ablation(ablation))
        outcome = {"intact": ablation.intact.as_dict(), "ablated": ablation.ablated.as_dict()}
    else:
        evaluation = play(agent, arguments.episodes, **options)
        console.print(describe_evaluation(evaluation))
        outcome = evaluation.as_dict()
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf8")
