"""The flags that choose any environment of Gymnasium's registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl_coordconv._util.errors import InputError
from rl_coordconv.cli.options import parse_options

if TYPE_CHECKING:
    from rl_coordconv.envs import Presentation
    from rl_coordconv.sweeps.plan import SweepConfig


def read_presentation(
    env: str | None, env_file: Path | None, env_kwargs: tuple[str, ...], *, trust: bool
) -> Presentation | None:
    """Return how an environment is presented, and import it; None where none was asked for.

    Args:
        env: the id after ``--env``, typed by the user, so that its module is imported.
        env_file: a file that says how it is presented.
        env_kwargs: arguments of the environment, over the file's.
        trust: whether wrappers of other packages that the file names are imported.

    Raises:
        InputError: a flag without ``--env``, a value that is not allowed, or something that cannot
            be imported.
    """
    if env is None:
        for flag, value in (("--env-file", env_file), ("--env-kwargs", env_kwargs)):
            if value:
                raise InputError(f"{flag} is about --env, which is not given")
        return None
    from rl_coordconv.envs import (
        build_presentation,
        import_env,
        import_wrappers,
        load_presentation,
    )

    import_env(env)
    values: dict[str, Any] = {}
    if env_file is not None:
        values = load_presentation(env_file).model_dump(exclude_unset=True)
    given = parse_options(env_kwargs, example="size=8")
    values["kwargs"] = {**values.get("kwargs", {}), **given}
    presentation = build_presentation(values, f"the environment {env}")
    if trust:
        import_wrappers(presentation)
    return presentation


def import_named(config: SweepConfig, typed: tuple[str, ...], *, trust: bool) -> None:
    """Import the extractors of a sweep that are classes of other packages, and its environment.

    Args:
        config: the sweep.
        typed: the arms that the user typed, which are imported anyway.
        trust: whether those that a file names are imported, too.

    Raises:
        InputError: one of them cannot be imported, or an arm has another form.
    """
    from rl_coordconv.envs import Presentation
    from rl_coordconv.extractors import import_extractor
    from rl_coordconv.extractors.arms import parse_arm
    from rl_coordconv.training.trust import import_environment

    for arm in config.extractors if trust else typed:
        import_extractor(parse_arm(arm)[0])
    if trust and config.env is not None:
        import_environment(config.env, config.presentation or Presentation())
