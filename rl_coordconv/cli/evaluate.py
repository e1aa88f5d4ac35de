"""``rl-coordconv evaluate``: let a trained agent play."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.files import write_text
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.outputs import check_extra, check_file

if TYPE_CHECKING:
    from rich.console import Console

    from rl_coordconv.training.evaluate import LoadedAgent


@dataclass(frozen=True)
class EvaluateArguments:
    """Let a trained agent play episodes; record one; or see what it is without its coordinates."""

    run_dir: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_DIR")]
    """The run's directory."""
    episodes: int = 30
    """Episodes to play; 0 plays none (with --video)."""
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
    trust: bool = False
    """Import, and so run, code of other packages that the run's files name: its environment, its
    wrappers, its extractor."""
    output: Path | None = None
    """Also write the outcome to this file as JSON."""


def run(argv: list[str]) -> int:
    """Parse the flags, play, and print the scores."""
    arguments = parse(EvaluateArguments, argv, command="evaluate")
    _check_flags(arguments)
    from rl_coordconv.runs import RunDirectory
    from rl_coordconv.training.evaluate import load_agent, refuse_model_file, unfinished_note
    from rl_coordconv.training.trust import import_named_code
    from rl_coordconv.training.video import record_video

    console = PlainConsole()
    directory = RunDirectory(arguments.run_dir)
    refuse_model_file(directory)
    if arguments.trust:
        import_named_code(directory.config())
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
        video = record_video(agent, arguments.video, **options)
        when = "" if video.is_full_episode else " when the video was cut"
        console.print(
            f"  video     {arguments.video} ({video.seconds:.0f} s, score {video.score:.4g}{when})"
        )
    return 0


def _check_flags(arguments: EvaluateArguments) -> None:
    from rl_coordconv.runs.config import MAX_EPISODES
    from rl_coordconv.runs.seeds import evaluation_seed
    from rl_coordconv.training.video import CONTAINERS

    episodes, video, output = arguments.episodes, arguments.video, arguments.output
    if episodes < 0 or (episodes == 0 and video is None):
        raise InputError(f"--episodes {episodes} is not at least 1")
    if episodes > MAX_EPISODES:
        raise InputError(f"--episodes {shown(episodes)} is not at most {MAX_EPISODES:,}")
    if episodes == 0 and (output is not None or arguments.ablate_coordinates):
        flag = "--ablate-coordinates" if arguments.ablate_coordinates else f"--output {output}"
        raise InputError(f"{flag} is about games to play, and --episodes 0 plays none")
    evaluation_seed(0, arguments.repetition)
    if output is not None:
        check_file("--output", output)
    if video is not None:
        check_file("--video", video, CONTAINERS)
        check_extra("imageio_ffmpeg", "video", "writing a video")
    if output is not None and video is not None and output.resolve() == video.resolve():
        raise InputError(f"--output and --video are the same file, {output}")


def _play(
    agent: LoadedAgent, arguments: EvaluateArguments, options: dict[str, Any], console: Console
) -> None:
    from rl_coordconv.training.evaluate import ablate_coordinates, play
    from rl_coordconv.training.summary import describe_ablation, describe_evaluation

    if arguments.ablate_coordinates:
        ablation = ablate_coordinates(agent, arguments.episodes, **options)
        console.print(describe_ablation(ablation))
        outcome = {"intact": ablation.intact.as_dict(), "ablated": ablation.ablated.as_dict()}
    else:
        evaluation = play(agent, arguments.episodes, **options)
        console.print(describe_evaluation(evaluation))
        outcome = evaluation.as_dict()
    if arguments.output is not None:
        write_text(arguments.output, json.dumps(outcome, indent=2) + "\n")
