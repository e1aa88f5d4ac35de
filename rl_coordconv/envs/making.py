"""Any environment by its name."""

from __future__ import annotations

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv.envs import atari, own
from rl_coordconv.envs.gymnasium_envs import gymnasium_spec
from rl_coordconv.envs.presentation import Presentation
from rl_coordconv.envs.protocols import Protocol
from rl_coordconv.envs.spec import TRAINING_SPLIT, EnvFamily, EnvRequest, EnvSpec

FAMILIES: list[EnvFamily] = [own.FAMILY, atari.FAMILY]
"""Every kind of environment that has a name of its own here; the first that knows a name has it."""


def find_env(name: str, presentation: Presentation | None = None) -> EnvSpec:
    """Return what an environment's name stands for.

    Args:
        name: an Atari game in any of its spellings, see `resolve_game`, or ``Aim``
            (``rl_coordconv/Aim-v0``); with ``presentation`` an id in Gymnasium's registry, perhaps
            with its module, ``module:Id-v0``.
        presentation: how an environment of Gymnasium's registry is presented.

    Raises:
        UnknownNameError: no such game; names the closest.
        InputError: a game that cannot be trained on, or an id that is not registered.
    """
    if presentation is not None:
        return gymnasium_spec(name, presentation)
    if not isinstance(name, str):
        raise InputError(f"game {name!r} is not a name")
    for family in FAMILIES:
        spec = family.find(name)
        if spec is not None:
            return spec
    raise unknown_name("game", name, [known for one in FAMILIES for known in one.names()])


def make_vec_env(
    game: str,
    n_envs: int,
    *,
    protocol: Protocol | None = None,
    presentation: Presentation | None = None,
    seed: int | None = None,
    num_threads: int | None = None,
    render_mode: str | None = None,
    split: str = TRAINING_SPLIT,
) -> VecEnv:
    """Build several sub-environments of a game, side by side.

    Args:
        game: a name, see `find_env`.
        n_envs: how many sub-environments.
        protocol: of an Atari game; None for all others.
        presentation: of an environment of Gymnasium's registry.
        seed: seeds sub-environment i with ``seed + i`` at the next reset; None leaves it to chance.
        num_threads: emulator threads; None takes the cores this process may use.
        render_mode: ``"rgb_array"`` makes `get_images` return the screens.
        split: of environments that have several, see `AimEnv`.

    Returns:
        What an SB3 agent trains in; ``info["episode"]`` tells of every episode.

    Raises:
        InputError: a value that is not allowed.
    """
    request = EnvRequest(n_envs, protocol, seed, num_threads, render_mode, split)
    return find_env(game, presentation).make(request)


def observation_shape(space: spaces.Space) -> tuple[int, ...]:
    """Return the shape of an observation's largest part, for estimates of its size."""
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    shapes = [part.shape for part in parts if part.shape is not None]
    return max(shapes, key=lambda shape: len(shape))
