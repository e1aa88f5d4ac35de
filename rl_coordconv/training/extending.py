"""Extending a run: a larger total of agent steps for one that has finished or was interrupted."""

from __future__ import annotations

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.files import replace
from rl_coordconv.agents.presets import MAX_TIMESTEPS, Preset, change_preset
from rl_coordconv.agents.schedules import is_linear, to_sb3_schedule
from rl_coordconv.runs import RunConfig, RunDirectory, RunState
from rl_coordconv.runs.checkpoints import newest_step
from rl_coordconv.runs.config import Extension


def extend(run: RunDirectory, total_timesteps: int) -> list[str]:
    """Ask a run for more agent steps than it was begun with; training it goes on from there.

    Its directory and its identity stay; ``config.yaml`` gets the new total and remembers the old
    one. The evaluation of the agent as it was is kept as ``evaluation-<steps>.json``. Asking for
    the total that the run has already changes nothing, so that the same command can be given again
    after an interruption.

    Args:
        run: the run's directory.
        total_timesteps: agent steps over all environments, those that are done included.

    Returns:
        What a person should know, in sentences: what becomes of schedules; nothing where nothing
        was changed.

    Raises:
        InputError: not more than the run has, no checkpoint to go on from, or another process is
            training it.
    """
    with run.locked():
        config, status = run.config(), run.status()
        if total_timesteps == config.total_timesteps and config.extensions:
            return []
        done = newest_step(run.checkpoints)
        _check(run, config, total_timesteps, done)
        assert done is not None
        # In this order a crash leaves a run that is taken for what it was.
        status.model_copy(
            update={"state": RunState.INTERRUPTED, "total_timesteps": total_timesteps}
        ).save(run.status_file)
        _extended(config, total_timesteps, done).save(run.config_file)
        if run.evaluation_file.exists():
            replace(run.evaluation_file, run.path / f"evaluation-{done}.json")
    return _describe(config, total_timesteps, done)


def _check(run: RunDirectory, config: RunConfig, total: int, done: int | None) -> None:
    if total > MAX_TIMESTEPS:
        raise InputError(f"--total-timesteps {shown(total)} is not at most {MAX_TIMESTEPS:,}")
    if done is None:
        raise InputError(
            f"{run.path} has no checkpoint to go on from, so that it cannot be extended"
        )
    # The last rollout may have gone beyond what was asked for.
    most = max(config.total_timesteps, done)
    if total <= most:
        raise InputError(
            f"--total-timesteps {total:,} is not above the {most:,} agent steps of {run.path}"
        )


def _extended(config: RunConfig, total: int, done: int) -> RunConfig:
    extension = Extension(from_total=config.total_timesteps, at_step=done)
    return config.model_copy(
        update={
            "preset": change_preset(config.preset, {"n_timesteps": total}),
            "extensions": [*config.extensions, extension],
        }
    )


def _describe(config: RunConfig, total: int, done: int) -> list[str]:
    before = config.total_timesteps
    lines = [f"extended from {before:,} to {total:,} agent steps, going on from step {done:,}"]
    for name in _scheduled(config.preset):
        value = getattr(config.preset, name)
        schedule = to_sb3_schedule(value)
        assert callable(schedule)
        old, new = schedule(max(0.0, 1 - done / before)), schedule(1 - done / total)
        lines.append(
            f"{name} {value} is stretched over the new total: {new:.4g} at step {done:,}, where it "
            f"was {old:.4g}, and 0 at step {total:,}"
        )
    return lines


def _scheduled(preset: Preset) -> list[str]:
    """Return the hyperparameters that change during training."""
    return [name for name, value in preset if isinstance(value, str) and is_linear(value)]
