"""``rl-coordconv sweep``: train games x agents x extractors x seeds."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv._util.errors import InputError
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.environments import import_named, read_presentation
from rl_coordconv.cli.options import parse_grid
from rl_coordconv.cli.outputs import check_folder, missing_for_reports

if TYPE_CHECKING:
    from rich.console import Console

    from rl_coordconv.runs import RunConfig
    from rl_coordconv.sweeps.backends import BackendSpec
    from rl_coordconv.sweeps.plan import SweepConfig
    from rl_coordconv.sweeps.supervisor import Launcher

SUBCOMMANDS = {"status": "rl_coordconv.cli.sweep_status"}
"""What else is done about a sweep, by the word after ``sweep``, and the module that does it. A file
of that name is given as ``./status``."""


@dataclass(frozen=True)
class SweepArguments:
    """Train every game with every agent, extractor and seed, each run in a process of its own.

    The same command again does only what is missing. What is not given comes from FILE, then from
    the defaults. `sweep status DIR` shows where the runs stand.
    """

    file: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[FILE]")] = None
    """A YAML file with the fields below up to initialization, for example a sweep's sweep.yaml."""
    suite: str | None = None
    """atari-5, atari-10, atari-26, atari-57, coordconv-9, or a path to your own (YAML)."""
    games: tuple[str, ...] | None = None
    """Games, instead of a suite."""
    env: str | None = None
    """Any environment with images, instead of games: an id in Gymnasium's registry, MyEnv-v0, or
    my_package:MyEnv-v0 where a package has to be imported first."""
    env_kwargs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Arguments of that environment, for example size=8."""
    env_file: Path | None = None
    """A YAML file that says how that environment is presented: env_wrapper, frame_stack, resize,
    grayscale, pixels, max_episode_steps, vec_env."""
    trust: bool = False
    """Import, and so run, code of other packages that a file names. What you type yourself is
    imported anyway."""
    agents: tuple[str, ...] | None = None
    """a2c, ppo, ppo-aim, ppo-quick, ppo-short, or paths to your own presets; default: ppo."""
    extractors: tuple[str, ...] | None = None
    """Default: cnn coordconv placebo. Each is an arm, with options of its own where it has any:
    "coordconv(with_r=true)", "my_package.nets:MyCNN(depth=3)"."""
    grid: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="KEY=V1,V2 ...")] = None
    """Hyperparameters over each agent's preset, by its keys; every combination of the values is
    trained: learning_rate=lin_1e-4,lin_2.5e-4 n_steps=64,128."""
    seeds: int | None = None
    """How many seeds, from 0 on; default: 5."""
    total_timesteps: int | None = None
    """Agent steps of each run; default: the agent's own."""
    n_envs: int | None = None
    """Parallel environments; default: the agent's own."""
    protocol: str | None = None
    """deepmind or machado; default: the suite's."""
    precision: Literal["auto", "fp32", "bf16"] | None = None
    """Precision of the convolutions; default: auto."""
    device: Literal["auto", "cpu", "cuda"] | None = None
    """Where the networks run; default: auto."""
    eval_episodes: int | None = None
    """Episodes played at the end of each run; default: 10."""
    initialization: Literal["paired", "sb3"] | None = None
    """paired (default): for one seed all extractors begin with the same shared weights."""
    output: Path = Path("sweeps/sweep")
    """The sweep's directory."""
    backend: str = "local"
    """local: processes of this machine; ray: a Ray cluster (needs rl-coordconv[ray]); slurm: job
    arrays of a SLURM cluster, after which this command ends."""
    shared: bool = False
    """Let other machines that see the same directory work on the same sweep: give this command on
    each of them; each trains runs that nobody else holds."""
    jobs: int | None = None
    """Runs at a time; default: one a core, or two a GPU; with Ray and SLURM as many as fit."""
    retries: int = 3
    """How often a run is tried again after a failed attempt before it counts as failed."""
    retry_diverged: bool = False
    """Also try runs again that diverged (NaN losses); without it they count as failed, because
    trying until a run does not diverge selects the results. The report tells of every retry."""
    ray_address: str | None = None
    """The cluster's address; default: what RAY_ADDRESS says, or a cluster of this machine alone."""
    cpus_per_run: float = 1.0
    """CPUs that a run asks Ray or SLURM for, and the threads it gets."""
    gpus_per_run: float = 0.0
    """GPUs that a run asks Ray or SLURM for; 0.25 puts four runs on one (with SLURM together with
    --runs-per-job 4)."""
    runs_per_job: int = 1
    """Runs that one SLURM job trains at the same time."""
    slurm_partition: str | None = None
    """The partition; default: the cluster's."""
    slurm_time: str | None = None
    """The time limit of a job, as sbatch takes it: 30, 4:00:00, 1-12. A run that needs longer saves
    before its end and goes back into the queue."""
    slurm_account: str | None = None
    """The account that is charged."""
    slurm_template: Path | None = None
    """A file with lines of your own for the batch script: #SBATCH lines, module load, ..."""
    slurm_requeues: int = 100
    """How often a job may go back into the queue."""
    slurm_print: bool = False
    """Print the batch script and the sbatch commands; write and submit nothing."""
    dry_run: bool = False
    """Print the runs, and the time and disk space they will take. For that it trains every agent
    and extractor for some seconds where the sweep would train them, and keeps nothing of it."""
    mix: bool = False
    """Train beside runs that another description left in the directory."""


def run(argv: list[str]) -> int:
    """Parse the flags and carry out the sweep, or what else is done about one."""
    if argv and argv[0] in SUBCOMMANDS:
        code: int = importlib.import_module(SUBCOMMANDS[argv[0]]).run(argv[1:])
        return code
    arguments = parse(SweepArguments, argv, command="sweep")
    _check_flags(arguments)
    from rl_coordconv.sweeps.directory import SweepDirectory
    from rl_coordconv.sweeps.run import sweep
    from rl_coordconv.training.setup import left_out_options

    config, console = _config(arguments), PlainConsole()
    directory = SweepDirectory(arguments.output)
    spec, values = _backend(arguments)
    if spec.submit is not None:
        return spec.submit(config, directory, values, console)
    if arguments.dry_run:
        _show_plan(config, directory, arguments, console)
        return 0
    check_folder("--output", arguments.output)
    if missing := missing_for_reports():
        console.print(f"note, for when the sweep is done: {missing}")
    for sentence in dict.fromkeys(filter(None, map(left_out_options, config.runs()))):
        console.print(f"note: {sentence}")
    launcher = _launcher(arguments, config, len(config.runs()))
    code = sweep(
        config, directory, launcher, console, retries=arguments.retries,
        retry_diverged=arguments.retry_diverged, mix=arguments.mix, shared=arguments.shared,
    )  # fmt: skip
    console.print(f"compare them: python -m rl_coordconv compare {directory.path}")
    return code


def _check_flags(arguments: SweepArguments) -> None:
    for name in ("games", "agents", "extractors", "grid"):
        if getattr(arguments, name) == ():
            raise InputError(f"--{name} is given without any name")
    if arguments.retries < 0:
        raise InputError(f"--retries {arguments.retries} is not at least 0")
    if arguments.jobs is not None and arguments.jobs < 1:
        raise InputError(f"--jobs {arguments.jobs} is not at least 1")
    if not 0 < arguments.cpus_per_run < math.inf:
        raise InputError(f"--cpus-per-run {arguments.cpus_per_run} is not a number above 0")
    if not 0 <= arguments.gpus_per_run < math.inf:
        raise InputError(f"--gpus-per-run {arguments.gpus_per_run} is not a number of at least 0")


def _config(arguments: SweepArguments) -> SweepConfig:
    from rl_coordconv.sweeps.plan import SweepConfig

    values: dict[str, Any] = {}
    if arguments.file is not None:
        values = SweepConfig.load(arguments.file).model_dump(exclude_unset=True)
    presentation = read_presentation(
        arguments.env, arguments.env_file, arguments.env_kwargs, trust=arguments.trust
    )
    if presentation is not None:
        values["presentation"] = presentation
    names = {field.name for field in fields(arguments)} & set(SweepConfig.model_fields)
    given = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    if "grid" in given:
        given["grid"] = parse_grid(given["grid"])
    # Each of them takes the others' place.
    for chosen in ("suite", "games", "env"):
        if chosen in given:
            for other in {"suite", "games", "env"} - {chosen}:
                values.pop(other, None)
    config = SweepConfig.build(values | given, "the sweep")
    import_named(config, typed=arguments.extractors or (), trust=arguments.trust)
    return config


def _backend(arguments: SweepArguments) -> tuple[BackendSpec, dict[str, Any]]:
    """Return the backend and the values of all flags."""
    from rl_coordconv.sweeps.backends import find_backend

    values = {field.name: getattr(arguments, field.name) for field in fields(arguments)}
    return find_backend(arguments.backend, values), values


def _launcher(arguments: SweepArguments, config: SweepConfig, n_runs: int) -> Launcher:
    spec, values = _backend(arguments)
    assert spec.launch is not None
    return spec.launch(config, n_runs, values)


def _show_plan(
    config: SweepConfig, directory: Any, arguments: SweepArguments, console: Console
) -> None:
    from rl_coordconv.runs import RunState
    from rl_coordconv.sweeps.supervisor import status_of

    left = []
    for one in config.runs():
        state = status_of(directory.place_of(one)).state
        console.print(f"{state:<12} {one.total_timesteps:>12,} steps  {one.name}")
        if state is not RunState.DONE:
            left.append(one)
    said = f"{len(left)} of {len(config.runs())} runs are to be trained"
    if not left:
        console.print(said)
        return
    launcher = _launcher(arguments, config, len(left))
    try:
        console.print(f"{said}, {launcher.describe()}")
        _show_estimate(left, directory, launcher, console)
    finally:
        launcher.close()


def _show_estimate(
    left: list[RunConfig], directory: Any, launcher: Launcher, console: Console
) -> None:
    from rl_coordconv._util.text import format_seconds
    from rl_coordconv.sweeps.estimate import estimate
    from rl_coordconv.sweeps.precision import find_decision

    decision = find_decision(left, directory, launcher)
    if decision is not None:
        console.print(f"precision of all runs: {decision.precision} ({decision.reason})")
    found = estimate(left, launcher, decision)
    for (agent, extractor), speed in found.speeds.items():
        console.print(f"  {agent}, {extractor}: {speed:,.0f} agent steps/s a run")
    console.print(
        f"about {format_seconds(found.seconds)} of training, evaluations not counted, and "
        f"{found.bytes / 2**20:,.0f} MiB of disk, measured there on {left[0].game}"
    )
