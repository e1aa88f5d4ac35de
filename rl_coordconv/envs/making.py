"""Any game by its name: Atari's, or the library's own."""

from __future__ import annotations

from typing import get_args

from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from rl_coordconv._util.errors import InputError, UnknownNameError, unknown_name
from rl_coordconv.envs.aim import AimEnv, Region
from rl_coordconv.envs.atari_vec_env import AtariVecEnv
from rl_coordconv.envs.emulator import SIDE
from rl_coordconv.envs.games import game_names, resolve_game
from rl_coordconv.envs.protocols import Protocol
from rl_coordconv.registration import AIM as AIM_ID

AIM = "Aim"
OWN_GAMES = {AIM.casefold(): AIM, AIM_ID.casefold(): AIM}
"""Spellings of the library's own games; their ids in Gymnasium are among them."""


def find_game(name: str) -> str:
    """Return a game's name as configurations hold it.

    Args:
        name: an Atari game in any of its spellings, see `resolve_game`, or ``Aim``
            (``rl_coordconv/Aim-v0``).

    Raises:
        UnknownNameError: no such game; names the closest.
        InputError: a game that cannot be trained on.
    """
    own = OWN_GAMES.get(name.strip().casefold()) if isinstance(name, str) else None
    if own is not None:
        return own
    try:
        return resolve_game(name).name
    except UnknownNameError:
        raise unknown_name("game", name, [*game_names(), AIM]) from None


def is_atari(game: str) -> bool:
    """Tell whether a game, as `find_game` returns it, is played by the emulator."""
    return game not in OWN_GAMES.values()


def regions_to_evaluate(game: str) -> tuple[str, ...]:
    """Return the regions an agent is judged in beside the one it was trained in."""
    return () if is_atari(game) else ("held-out",)


def observation_shape(game: str, protocol: Protocol | None) -> tuple[int, ...]:
    """Return the shape of a game's observations, (channels, height, width), without building it.

    Args:
        game: as `find_game` returns it.
        protocol: of an Atari game; None for the library's own.
    """
    if protocol is None:
        return AimEnv().observation_space.shape  # type: ignore[return-value]
    return protocol.frame_stack, SIDE, SIDE


def make_vec_env(
    game: str,
    n_envs: int,
    *,
    protocol: Protocol | None,
    seed: int | None = None,
    num_threads: int | None = None,
    render_mode: str | None = None,
    region: str = "train",
) -> VecEnv:
    """Build several copies of a game, side by side.

    Args:
        game: as `find_game` returns it.
        n_envs: how many copies.
        protocol: of an Atari game; None for the library's own.
        seed: seeds copy i with ``seed + i`` at the next reset; None leaves it to chance.
        num_threads: emulator threads; None takes the cores this process may use.
        render_mode: ``"rgb_array"`` makes `get_images` return the screens.
        region: of the library's own games, see `AimEnv`.

    Returns:
        What an SB3 agent trains in; ``info["episode"]`` tells of every whole game.

    Raises:
        InputError: a value that is not allowed.
    """
    if is_atari(game):
        if protocol is None:
            raise InputError(f"game {game!r} needs a protocol")
        return AtariVecEnv(
            game,
            n_envs,
            protocol=protocol,
            seed=seed,
            num_threads=num_threads,
            render_mode=render_mode,
        )
    if region not in get_args(Region):
        raise unknown_name("region", region, get_args(Region))
    # Painting a square takes a few microseconds: no threads, no processes.
    env = DummyVecEnv([lambda: Monitor(AimEnv(region, render_mode)) for _ in range(n_envs)])  # type: ignore[arg-type]
    if seed is not None:
        env.seed(seed)
    return env
