"""How a training fails: named by its cause, and written into the run's status."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv._util.errors import DivergedError, EnvironmentFailedError, InputError
from rl_coordconv.runs import RunConfig, RunDirectory, RunState
from rl_coordconv.runs.directory import RunLostError
from rl_coordconv.training.callbacks import NonFiniteLossError, check_weights


@contextmanager
def recorded_failure(run: RunDirectory) -> Iterator[None]:
    """Write into the status that and why a training ended early."""
    try:
        yield
    except KeyboardInterrupt:
        _change_status(run, RunState.INTERRUPTED)
        raise
    except BaseException as error:
        failure = f"{type(error).__name__}: {error}"
        has_diverged = isinstance(error, DivergedError)
        _change_status(run, RunState.FAILED, failure, traceback.format_exc(), has_diverged)
        raise


def _change_status(
    run: RunDirectory,
    state: RunState,
    error: str | None = None,
    trace: str | None = None,
    has_diverged: bool = False,
) -> None:
    run.check_there()
    try:
        run.check_held()
    except RunLostError:  # another process writes it now
        return
    before = run.status()
    changed = {"state": state, "error": error, "traceback": trace,
               "divergences": before.divergences + has_diverged}  # fmt: skip
    before.model_copy(update=changed).save(run.status_file)


@contextmanager
def lost_processes_named(config: RunConfig) -> Iterator[None]:
    """Say what it means that a pipe to a sub-environment's process is closed, if there are any."""
    try:
        yield
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        if config.env is None or config.env.vec_env != "subproc":
            raise
        raise EnvironmentFailedError(
            f"a process with a sub-environment of {config.game} has ended; what it said is above"
        ) from error


@contextmanager
def divergence_named(model: OnPolicyAlgorithm) -> Iterator[None]:
    """Tell an error that broken weights have caused, in whatever words, from any other."""
    try:
        yield
    except (NonFiniteLossError, InputError):
        raise
    except (ArithmeticError, RuntimeError, ValueError):
        check_weights(model)
        raise
