"""Any environment of Gymnasium's registry whose observations hold an image, or that renders one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymnasiumSpec
from gymnasium.wrappers import AddRenderObservation, GrayscaleObservation
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
)

from rl_coordconv._util.errors import InputError, closest, shown
from rl_coordconv._util.importing import import_named, require_trust, trust
from rl_coordconv.envs.channels import channels_first
from rl_coordconv.envs.presentation import Presentation
from rl_coordconv.envs.resizing import ResizeImage
from rl_coordconv.envs.spec import EnvRequest, EnvSpec
from rl_coordconv.envs.state.monitor import ResumableMonitor

ACTIONS = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box)
"""What stable-baselines3's A2C and PPO can choose."""

_DEFAULT_FRAMES_PER_SECOND = 30.0
"""Of a video, where the environment does not tell its own."""


def import_env(name: str) -> None:
    """Import the module of ``module:Id``, which runs its code; without a module do nothing.

    Raises:
        InputError: the module cannot be imported.
    """
    trust("environment", name)


def import_wrappers(presentation: Presentation) -> None:
    """Import the wrappers that a presentation names, which runs their modules' code.

    Raises:
        InputError: a module cannot be imported.
    """
    for wrapper in presentation.env_wrapper:
        trust("wrapper", wrapper.path)


def find_id(name: str) -> str:
    """Return a registered environment's id as configurations hold it, with its module's name.

    Args:
        name: ``Id-v0`` or ``module:Id-v0``; the module has been imported.

    Raises:
        InputError: no environment of this name is registered; names the closest.
    """
    env_id = name.rpartition(":")[2]
    try:
        gym.spec(env_id)
    except gym.error.Error as error:
        nearest = closest(env_id, gym.registry)
        hint = f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else "."
        raise InputError(
            f"no environment {shown(name)} is registered in Gymnasium{hint} An environment of "
            "another package is named with its module, for example my_package:MyEnv-v0 "
            f"({str(error).rstrip('.')})"
        ) from error
    return name


def gymnasium_spec(name: str, presentation: Presentation) -> EnvSpec:
    """Describe an environment of Gymnasium's registry, which `import_env` has imported.

    Raises:
        InputError: no environment of this name is registered; names the closest.
    """
    require_trust("environment", name)
    for wrapper in presentation.env_wrapper:
        require_trust("wrapper", wrapper.path)
    return EnvSpec(
        name=find_id(name),
        make=partial(_make, name, presentation),
        spaces=lambda _: _spaces(name, presentation),
        steps_per_second=lambda _: _frames_per_second(name, presentation),
    )


def make_one(name: str, presentation: Presentation, render_mode: str | None = None) -> gym.Env:
    """Build one environment as it is presented.

    Args:
        name: as `find_id` returns it.
        presentation: how it is made and observed.
        render_mode: ``"rgb_array"`` for films; None for none.

    Raises:
        InputError: it cannot be made, or a wrapper cannot be put around it.
    """
    mode = "rgb_array" if presentation.pixels else render_mode
    options: dict[str, Any] = dict(presentation.kwargs)
    if mode is not None:
        options["render_mode"] = mode
    if presentation.max_episode_steps is not None:
        options["max_episode_steps"] = presentation.max_episode_steps
    env = _made(name, options)
    if presentation.pixels:
        # Some environments render nothing before they are reset.
        env.reset(seed=0)
        env = AddRenderObservation(env, render_only=True)
    for wrapper in presentation.env_wrapper:
        env = _wrapped(env, wrapper.path, wrapper.kwargs)
    if presentation.grayscale:
        _need_colour(name, env.observation_space, "grayscale")
        env = GrayscaleObservation(env, keep_dim=True)
    if presentation.resize is not None:
        _need_image(name, env.observation_space, "resize")
        env = ResizeImage(env, presentation.resize)
    return env


def make_gymnasium_env(
    name: str,
    n_envs: int,
    presentation: Presentation,
    *,
    seed: int | None = None,
    render_mode: str | None = None,
) -> VecEnv:
    """Build sub-environments side by side, in this process or in one each.

    Args:
        name: as `find_id` returns it.
        n_envs: how many.
        presentation: how they are made and observed.
        seed: seeds sub-environment i with ``seed + i`` at the next reset; None leaves it to chance.
        render_mode: ``"rgb_array"`` makes `get_images` return the screens.
    """
    make: Callable[[], gym.Env] = partial(
        _monitored, name, gym.spec(name.rpartition(":")[2]), presentation, render_mode
    )
    makers = [make] * n_envs
    env: VecEnv = (
        SubprocVecEnv(makers) if presentation.vec_env == "subproc" else DummyVecEnv(makers)
    )
    if presentation.frame_stack > 1:
        env = VecFrameStack(env, presentation.frame_stack)
    if seed is not None:
        env.seed(seed)
    return env


def check_environment(name: str, presentation: Presentation) -> list[str]:
    """Build an environment once and have stable-baselines3's `check_env` look at it.

    Returns:
        What `check_env` warns of, one sentence each.

    Raises:
        InputError: it breaks Gymnasium's rules, or has no image to observe or actions that A2C and
            PPO cannot choose.
    """
    env = make_one(name, presentation)
    with closing(env), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            check_env(env, warn=True, skip_render_check=True)
        except Exception as error:
            raise InputError(
                f"environment {name!r} does not keep Gymnasium's rules: {type(error).__name__}: "
                f"{error}"
            ) from error
        check_spaces(name, env.observation_space, env.action_space)
    return list(dict.fromkeys(str(one.message) for one in told))


def check_spaces(name: str, observations: spaces.Space, actions: spaces.Space) -> None:
    """Refuse what no extractor can see and what A2C and PPO cannot choose.

    Raises:
        InputError: no image among the observations, or another kind of action.
    """
    parts = observations.spaces if isinstance(observations, spaces.Dict) else {"": observations}
    if not any(is_image_space(part) for part in parts.values()):
        flat = any(isinstance(one, spaces.Box) and len(one.shape) == 2 for one in parts.values())
        hint = (
            "one without an axis for its channels: env_wrapper: "
            "gymnasium.wrappers.ReshapeObservation: {shape: [height, width, 1]}"
            if flat
            else "one whose observations need a wrapper: env_wrapper"
        )
        raise InputError(
            f"environment {name!r} observes {observations}: an image is needed, uint8 from 0 to "
            "255 with channels first or last (in an environment file, one that only renders: "
            f"pixels: true; {hint})"
        )
    if not isinstance(actions, ACTIONS):
        kinds = ", ".join(kind.__name__ for kind in ACTIONS)
        raise InputError(f"environment {name!r} takes {actions}: A2C and PPO choose {kinds}")


def _make(name: str, presentation: Presentation, request: EnvRequest) -> VecEnv:
    return make_gymnasium_env(
        name, request.n_envs, presentation, seed=request.seed, render_mode=request.render_mode
    )


def _spaces(name: str, presentation: Presentation) -> tuple[spaces.Space, spaces.Space]:
    """Return the spaces that an agent sees, which stable-baselines3 gives the channels first."""
    env = make_gymnasium_env(name, 1, presentation.model_copy(update={"vec_env": "dummy"}))
    with closing(env):
        check_spaces(name, env.observation_space, env.action_space)
        return channels_first(env).observation_space, env.action_space


def _frames_per_second(name: str, presentation: Presentation) -> float:
    env = make_one(name, presentation)
    with closing(env):
        return float(env.metadata.get("render_fps") or _DEFAULT_FRAMES_PER_SECOND)


def _made(name: str, options: dict[str, Any]) -> gym.Env:
    try:
        return gym.make(name.rpartition(":")[2], **options)
    except gym.error.Error as error:
        raise InputError(f"environment {name!r}: {error}") from error
    except Exception as error:
        given = ", ".join(f"{key}={value!r}" for key, value in options.items()) or "no arguments"
        raise InputError(
            f"environment {name!r} cannot be made with {given}: {type(error).__name__}: {error}"
        ) from error


def _wrapped(env: gym.Env, path: str, kwargs: dict[str, Any]) -> gym.Env:
    wrapper = import_named("wrapper", path)
    # Whatever else a known package has under that name, a file shall not call it.
    if not (isinstance(wrapper, type) and issubclass(wrapper, gym.Wrapper)):
        raise InputError(f"wrapper {path!r} is {shown(wrapper)}: a gymnasium.Wrapper is needed")
    try:
        return wrapper(env, **kwargs)
    except Exception as error:
        raise InputError(
            f"wrapper {path!r} cannot be put around the environment: {type(error).__name__}: "
            f"{error}"
        ) from error


def _monitored(
    name: str, spec: GymnasiumSpec, presentation: Presentation, render_mode: str | None
) -> gym.Env:
    # In a process of its own nobody has imported the environment's module yet, or registered it.
    import_env(name)
    gym.registry.setdefault(spec.id, spec)
    return ResumableMonitor(make_one(name, presentation, render_mode))


def _need_image(name: str, space: spaces.Space, key: str) -> None:
    is_image = isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3
    if not is_image:
        raise InputError(
            f"{key} is for images of the shape (height, width, channels) in uint8; environment "
            f"{name!r} observes {space}"
        )


def _need_colour(name: str, space: spaces.Space, key: str) -> None:
    _need_image(name, space, key)
    if space.shape[2] != 3:  # type: ignore[index]
        raise InputError(f"{key} needs three channels last; environment {name!r} observes {space}")
