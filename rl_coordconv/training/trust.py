"""Code from outside this library that a run names: an environment's module, wrappers, a class."""

from __future__ import annotations

from rl_coordconv._util.importing import is_outside
from rl_coordconv.envs import Presentation, import_env, import_wrappers
from rl_coordconv.extractors import import_extractor
from rl_coordconv.runs import RunConfig


def import_named_code(config: RunConfig) -> None:
    """Import everything from outside that a run's configuration names, which runs that code.

    Raises:
        InputError: something cannot be imported.
    """
    import_environment(config.game, config.env)
    import_extractor(config.extractor)


def names_outside_code(config: RunConfig) -> bool:
    """Tell whether a run names a module that `import_named_code` would import."""
    wrappers = config.env.env_wrapper if config.env is not None else ()
    names = [config.game, config.extractor, *(wrapper.path for wrapper in wrappers)]
    return any(is_outside(name) for name in names)


def import_environment(name: str, presentation: Presentation | None) -> None:
    """Import an environment's module and its wrappers.

    Raises:
        InputError: one of them cannot be imported.
    """
    if presentation is not None:
        import_env(name)
        import_wrappers(presentation)
