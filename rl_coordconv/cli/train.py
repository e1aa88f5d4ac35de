"""``rl-coordconv train``: train one agent on one game."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.cli.arguments import flags_of, given_flags, parse
from rl_coordconv.cli.environments import read_presentation
from rl_coordconv.cli.options import parse_options, parse_settings
from rl_coordconv.cli.outputs import check_folder
from rl_coordconv.cli.tracking import DEFAULT_PROJECT, TRACKING, read_place
from rl_coordconv.machine.hardware import check_threads

if TYPE_CHECKING:
    from rich.console import Console

    from rl_coordconv.runs import RunConfig, RunDirectory


@dataclass(frozen=True)
class TrainArguments:
    """Train one agent on one game, evaluate it on full episodes, and keep all in one directory.

    Giving the same command again resumes from the last checkpoint, or, when the run is done, says
    what it reached.
    """

    game: str | None = None
    """The game: Pong, MsPacman, ms_pacman, ALE/Pong-v5, ..., or Aim, a small one in which position
    is all that matters. Needed unless --env or --resume is given."""
    env: str | None = None
    """Any environment with images, by its id in Gymnasium's registry: MyEnv-v0, or, where a package
    has to be imported first, my_package:MyEnv-v0."""
    env_kwargs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Arguments of that environment, for example size=8."""
    env_file: Path | None = None
    """A YAML file that says how that environment is presented: env_wrapper, frame_stack, resize,
    grayscale, pixels, max_episode_steps, vec_env."""
    trust: bool = False
    """Import, and so run, code of other packages that a file names: wrappers in --env-file,
    extractors and environments of a run that is resumed. What you type yourself is imported anyway.
    """
    extractor: str = "coordconv"
    """cnn, coordconv, coordconv-all, coordconv-paper, placebo; pooled: cnn-pool, coordconv-pool,
    placebo-pool, pool-embedding, pool-sinusoids, spatial-softmax; impala, impala-coordconv,
    impoola, impoola-coordconv, impoola-placebo; or a class of your own, my_package.nets:MyCNN."""
    extractor_kwargs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Options of the extractor, for example with_r=true."""
    agent: str = "ppo"
    """ppo and a2c are the RL Zoo's; ppo-quick, ppo-short and ppo-aim shorter trainings; or a path
    to your own preset (YAML)."""
    initialization: Literal["sb3", "paired"] = "sb3"
    """paired: for one seed all extractors begin with the same shared weights, as in a sweep."""
    from_run: Annotated[Path | None, tyro.conf.arg(name="from", metavar="RUN_DIR")] = None
    """Begin with the weights that another run has saved, instead of random ones; the optimiser and
    the steps begin anew."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Hyperparameters over the preset's, by its keys: learning_rate=lin_1e-4 n_steps=64
    optimizer_kwargs.eps=1e-5."""
    total_timesteps: int | None = None
    """Agent steps over all environments; default: the preset's 10_000_000 (40 million frames).
    With --resume, more than the run has: it goes on for longer, on record."""
    n_envs: int | None = None
    """Parallel environments; default: the preset's."""
    seed: int = 0
    """Seed of weights, sampling and games."""
    protocol: str = "deepmind"
    """deepmind (no-op starts, a lost life ends a training episode) or machado (sticky actions)."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the convolutions; auto says what it chose and why in environment.json. With
    --resume, fp32 or bf16 changes the precision of what is left, on record."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""
    eval_episodes: int = 10
    """Episodes played at the end; 0 plays none."""
    eval_freq: int = 0
    """Agent steps between evaluations during training, which leave evaluations.npz and
    best_model.zip as the RL Zoo's do and change nothing of the training; 0 for none."""
    eval_freq_episodes: int = 5
    """Episodes of each of these."""
    track: str | None = None
    """wandb, trackio or mlflow: also send what is logged there; a resumed run goes on where it was
    tracked. Needs the extra of that name."""
    wandb_project_name: str = DEFAULT_PROJECT
    """With --track: the project, of whichever tracker (MLflow: the experiment)."""
    wandb_entity: str | None = None
    """With --track: the team or user."""
    wandb_group: str | None = None
    """With --track: a group of runs."""
    wandb_tags: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="TAG ...", aliases=("-tags",))
    ] = ()
    """With --track: words to find the run by."""
    threads: int | None = None
    """Threads of torch and of the emulator; default: the cores this process may use."""
    profile: bool = False
    """Write a torch profiler trace, and a table of where the time went, into the run's profile/."""
    logdir: Path = Path("runs")
    """Where the run's directory is made."""
    resume: Path | None = None
    """Go on with the run in this directory; all else is in its config.yaml."""


_OF_THIS_PROCESS = ("threads", "profile", *TRACKING)
"""Flags that a run does not remember, and that --resume may change."""
_NOT_OF_A_RUN = (
    "logdir", "resume", "game", "env", "env_kwargs", "env_file", "trust", "extractor",
    "extractor_kwargs", "set", "from_run", *_OF_THIS_PROCESS,
)  # fmt: skip
"""Flags that are worked on before a run's configuration is resolved."""
_WITH_RESUME = ("resume", "precision", "total_timesteps", "trust", *_OF_THIS_PROCESS)


def run(argv: list[str]) -> int:
    """Parse the flags, train, and say what was reached."""
    arguments = parse(TrainArguments, argv, command="train")
    check_threads(arguments.threads)
    tracking = read_place(arguments.track, arguments, argv)
    from rl_coordconv.training.summary import describe_run, describe_start
    from rl_coordconv.training.train import train

    console = PlainConsole()
    directory = _run_directory(arguments, argv, console)
    for sentence in _extend(arguments, directory):
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    console.print(describe_start(directory))
    code = train(
        directory,
        console,
        [Path(sys.executable).name, *sys.argv],
        threads=arguments.threads,
        profile=arguments.profile,
        precision=_changed_precision(arguments),
        tracking=tracking,
    )
    console.print(describe_run(directory, encoding=console.encoding))
    return code


def _run_directory(arguments: TrainArguments, argv: list[str], console: Console) -> Any:
    from rl_coordconv.runs import RunDirectory
    from rl_coordconv.training.initial import (
        check_initial_policy,
        initial_policy,
        keep_initial_policy,
    )
    from rl_coordconv.training.resolve import check_machine, resolve_run
    from rl_coordconv.training.setup import check_trainable, left_out_options
    from rl_coordconv.training.trust import import_named_code

    if arguments.resume is not None:
        _refuse_other_flags(arguments, argv)
        directory = RunDirectory(arguments.resume)
        if arguments.trust:
            import_named_code(directory.config())
        check_trainable(directory.config())
        return directory
    values = {field.name: getattr(arguments, field.name) for field in fields(arguments)}
    for name in _NOT_OF_A_RUN:
        del values[name]
    presentation = read_presentation(
        arguments.env, arguments.env_file, arguments.env_kwargs, trust=arguments.trust
    )
    extractor, options = _extractor(arguments)
    config = resolve_run(
        _environment(arguments),
        env=presentation,
        extractor=extractor,
        extractor_kwargs=options,
        settings=parse_settings(arguments.set),
        initial_policy=initial_policy(arguments.from_run) if arguments.from_run else None,
        **values,
    )
    if not (arguments.logdir / config.name).exists():
        check_machine(config.device, config.precision)
        if arguments.from_run is not None:
            check_initial_policy(config, arguments.from_run)
    check_trainable(config)
    check_folder("--logdir", arguments.logdir)
    if presentation is not None:
        _tell_environment(config, console)
    if sentence := left_out_options(config):
        console.print(f"note: {sentence}", soft_wrap=True, highlight=False, markup=False)
    directory = RunDirectory.create(config, arguments.logdir)
    if arguments.from_run is not None:
        keep_initial_policy(directory, arguments.from_run)
    if (kept := directory.config().evaluation) != config.evaluation:
        console.print(f"note: the run keeps how it is evaluated: {kept}", soft_wrap=True)
    return directory


def _extend(arguments: TrainArguments, run: RunDirectory) -> list[str]:
    """Give a run that goes on a larger total, where one is asked for."""
    from rl_coordconv.training.extending import extend

    total = arguments.total_timesteps
    return [] if arguments.resume is None or total is None else extend(run, total)


def _tell_environment(config: RunConfig, console: Console) -> None:
    """Say what an environment of one's own looks like to an agent, and what SB3 says of it."""
    from rl_coordconv.envs import check_environment
    from rl_coordconv.training.setup import describe_environment

    assert config.env is not None
    warnings = check_environment(config.game, config.env)
    for sentence in (describe_environment(config), *(f"note: {one}" for one in warnings)):
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)


def _environment(arguments: TrainArguments) -> str:
    if arguments.game is not None and arguments.env is not None:
        raise InputError(
            f"--game {arguments.game} and --env {arguments.env} are given: one run, one environment"
        )
    name = arguments.env if arguments.game is None else arguments.game
    if name is None:
        raise InputError(
            "--game is needed, for example --game Pong (or --env my_package:MyEnv-v0, or --resume "
            "RUN_DIR)"
        )
    return name


def _extractor(arguments: TrainArguments) -> tuple[str, dict[str, Any]]:
    """Return the extractor's name and options, and import it where it is a class by its path."""
    from rl_coordconv.extractors import import_extractor
    from rl_coordconv.extractors.arms import parse_arm

    name, options = parse_arm(arguments.extractor)
    given = parse_options(arguments.extractor_kwargs, example="with_r=true")
    twice = sorted(set(options) & set(given))
    if twice:
        raise InputError(f"option {twice[0]!r} is given in --extractor and in --extractor-kwargs")
    import_extractor(name)
    return name, options | given


def _changed_precision(arguments: TrainArguments) -> Literal["fp32", "bf16"] | None:
    is_changed = arguments.resume is not None and arguments.precision != "auto"
    return arguments.precision if is_changed else None  # type: ignore[return-value]


def _refuse_other_flags(arguments: TrainArguments, argv: list[str]) -> None:
    given = given_flags(argv)
    for field, flag in zip(fields(arguments), flags_of(TrainArguments), strict=True):
        if field.name not in _WITH_RESUME and flag in given:
            raise InputError(
                f"{flag} {shown(getattr(arguments, field.name))} cannot be changed with --resume: "
                "a run keeps the configuration it began with"
            )
