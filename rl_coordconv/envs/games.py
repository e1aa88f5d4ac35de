"""Games by name, in whichever of the usual spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import ale_py
import gymnasium as gym

from rl_coordconv._util.errors import InputError, unknown_name

_NAMESPACE = "ALE"
# Gymnasium and Gym have dressed a game's name in all of these.
_DRESS = re.compile(r"(?:^ale/)|(?:(?:-ram)?(?:noframeskip|deterministic)?-v\d+$)", re.IGNORECASE)


@dataclass(frozen=True)
class Game:
    """A single-player Atari 2600 game that ale-py ships.

    Attributes:
        name: as in Gymnasium's ids, for example ``MsPacman``.
        rom: as ale-py names its ROM, for example ``ms_pacman``.
    """

    name: str
    rom: str


def resolve_game(name: str) -> Game:
    """Find a game by any of its spellings.

    ``MsPacman``, ``ms_pacman``, ``ALE/MsPacman-v5`` and ``MsPacmanNoFrameskip-v4`` are the same
    game; the environment is always built from the game and a protocol, never from such an id with
    its own frame skip.

    Args:
        name: the name.

    Raises:
        UnknownNameError: no such game; names the closest.
        InputError: a RAM variant, a game that needs two players, or no text at all.
    """
    if not isinstance(name, str):
        raise InputError(f"game {name!r} is not a name")
    bare = _DRESS.sub("", _DRESS.sub("", name.strip()))
    game = _by_folded_name().get(_fold(bare))
    if game is None:
        _refuse_multiplayer(name, bare)
        raise unknown_name("game", name, game_names())
    if "-ram" in name.lower():
        raise InputError(
            f"{name!r} asks for the memory's 128 bytes; only images are supported: {game.name!r}"
        )
    return game


def game_names() -> list[str]:
    """Return the names of all games, sorted."""
    return sorted(game.name for game in _by_folded_name().values())


@cache
def _by_folded_name() -> dict[str, Game]:
    # ale-py registers exactly its single-player games.
    if not any(spec.namespace == _NAMESPACE for spec in gym.registry.values()):
        gym.register_envs(ale_py)
    games = [
        Game(spec.name, spec.kwargs["game"])
        for spec in gym.registry.values()
        if spec.namespace == _NAMESPACE
    ]
    by_name = {_fold(game.name): game for game in games}
    return by_name | {_fold(game.rom): game for game in games}


def _refuse_multiplayer(name: str, bare: str) -> None:
    roms = {_fold(rom): rom for rom in ale_py.roms.get_all_rom_ids()}
    if _fold(bare) in roms:
        raise InputError(f"game {name!r} needs more than one player and cannot be trained on alone")


def _fold(name: str) -> str:
    return re.sub(r"[\s_\-]", "", name).casefold()
