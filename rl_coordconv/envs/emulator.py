"""ale-py's vector environment with every setting that a protocol decides, and no default left."""

from __future__ import annotations

from typing import Any

import ale_py
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from numpy.typing import NDArray

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs.games import Game
from rl_coordconv.envs.protocols import Protocol
from rl_coordconv.envs.scheduling import placed_threads
from rl_coordconv.machine.hardware import available_cores

SIDE = 84
"""Height and width of an observation in pixels."""


def make_emulator(
    game: Game, n_envs: int, protocol: Protocol, num_threads: int, **image: Any
) -> AtariVectorEnv:
    """Build sub-environments of a game that report what stable-baselines3 needs to know.

    Args:
        game: the game.
        n_envs: sub-environments.
        protocol: how the game is presented.
        num_threads: emulator threads.
        **image: changes to what is seen: ``img_height``, ``img_width``, ``grayscale``,
            ``stack_num``.

    Raises:
        InputError: as `check_threads`; ale-py would end the process.
    """
    num_threads = check_threads(n_envs, num_threads)
    seen = {
        "img_height": SIDE,
        "img_width": SIDE,
        "grayscale": True,
        "stack_num": protocol.frame_stack,
    }
    with placed_threads():
        return AtariVectorEnv(
            game.rom,
            n_envs,
            num_threads=num_threads,
            max_num_frames_per_episode=protocol.max_frames_per_episode,
            repeat_action_probability=protocol.repeat_action_probability,
            full_action_space=protocol.full_action_space,
            # The observation after a game's end is the next game's first, as SB3 has it.
            autoreset_mode="SameStep",
            frameskip=protocol.frame_skip,
            maxpool=True,
            noop_max=protocol.noop_max,
            use_fire_reset=protocol.fire_on_reset,
            # episodic_life would begin a new game at every lost life; this only reports it.
            episodic_life=False,
            life_loss_info=protocol.life_loss_ends_episode,
            # Clipped by the emulator, the raw score would be lost.
            reward_clipping=False,
            **{**seen, **image},
        )


def has_binding() -> bool:
    """Tell whether ale-py's binding has the methods that take lists and know the actions."""
    cls = getattr(ale_py, "ALEVectorInterface", None)
    return all(hasattr(cls, name) for name in ("send", "recv", "get_action_set"))


HAS_BINDING = has_binding()
"""ale-py documents the vector environment, not the binding in it."""


def send(emulator: AtariVectorEnv, actions: list[int], strength: list[float]) -> None:
    """Start a step; of lists, which cost ale-py's binding a fourth of what arrays do."""
    if HAS_BINDING:
        emulator.ale.send(actions, strength)  # type: ignore[arg-type]
    else:
        emulator.send(np.array(actions, np.int64))


def receive(emulator: AtariVectorEnv) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
    """Finish a step: observations, rewards, terminated, truncated and info."""
    return emulator.ale.recv() if HAS_BINDING else emulator.recv()


def action_names(emulator: AtariVectorEnv, game: Game, protocol: Protocol) -> list[str]:
    """Return what each action presses, for example ``["NOOP", "FIRE", "RIGHT", "LEFT"]``."""
    if HAS_BINDING:
        actions = emulator.ale.get_action_set()
    else:
        one = load_game(game)
        is_full = protocol.full_action_space
        actions = one.getLegalActionSet() if is_full else one.getMinimalActionSet()
    # The enumeration's members carry no integer of their own, only a value.
    return [action.name for action in actions]


def load_game(game: Game) -> ale_py.ALEInterface:
    """Return a single emulator with a game in it."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    emulator = ale_py.ALEInterface()
    rom = ale_py.roms.get_rom_path(game.rom)
    assert rom is not None  # a resolved game has one
    emulator.loadROM(rom)
    return emulator


def first_frames(info: dict[str, Any]) -> NDArray[np.int64]:
    """Return the emulator frame at which each sub-environment's current game began.

    A new game, and nothing else, changes it.
    """
    first: NDArray[np.int64] = info["frame_number"].astype(np.int64) - info["episode_frame_number"]
    return first


def check_actions(actions: Any, n_envs: int, meanings: list[str]) -> list[int]:
    """Return actions as the list that `send` takes.

    Raises:
        InputError: the shape, the type or a value is not allowed.
    """
    array = np.asarray(actions)
    if array.dtype.kind not in "iu":
        raise InputError(f"actions must be integers, not {array.dtype}")
    if array.shape != (n_envs,):
        raise InputError(
            f"actions must have the shape ({n_envs},), one for each environment, not {array.shape}"
        )
    chosen: list[int] = array.tolist()
    most = len(meanings)
    if min(chosen) < 0 or max(chosen) >= most:
        index = next(i for i, action in enumerate(chosen) if not 0 <= action < most)
        raise InputError(
            f"action {chosen[index]} of environment {index} is not between 0 and {most - 1} "
            f"({', '.join(meanings)})"
        )
    return chosen


def check_threads(n_envs: int, num_threads: int | None) -> int:
    """Return how many threads to use: one a sub-environment, but no more than there are cores.

    Raises:
        InputError: a number that is not an integer of at least 1.
    """
    for name, value in (("n_envs", n_envs), ("num_threads", num_threads)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{name} {value!r} is not an integer of at least 1")
    return int(num_threads) if num_threads else min(n_envs, available_cores())
