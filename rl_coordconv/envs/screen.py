"""The screen in colour, for people."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_coordconv.envs.emulator import load_game, make_emulator, receive, send
from rl_coordconv.envs.games import Game
from rl_coordconv.envs.protocols import Protocol


class TwinScreen:
    """A second emulator in lockstep with the first, whose only use is its picture.

    ale-py's vector environment shows either the small grey image or the screen in colour. Given
    the same seeds and actions it plays the same game, sticky actions included.

    Args:
        game: the game.
        n_envs: sub-environments.
        protocol: the protocol of the environment whose twin this is.
    """

    def __init__(self, game: Game, n_envs: int, protocol: Protocol) -> None:
        height, width = _screen_size(game)
        self._emulator = make_emulator(
            game,
            n_envs,
            protocol,
            num_threads=1,
            img_height=height,
            img_width=width,
            grayscale=False,
            stack_num=1,
        )
        self._strength = [1.0] * n_envs
        self._screens: NDArray[np.uint8] | None = None

    def reset(self, seeds: NDArray[np.int64] | None) -> None:
        """Begin the same games as the twin."""
        self._screens, _ = self._emulator.reset(seed=seeds)

    def send(self, actions: list[int]) -> None:
        """Start the same step as the twin."""
        send(self._emulator, actions, self._strength)

    def receive(self) -> dict[str, Any]:
        """Finish the step and return the emulator's info."""
        self._screens, _, _, _, info = receive(self._emulator)
        return info

    def images(self) -> list[NDArray[np.uint8] | None]:
        """Return each sub-environment's screen, (height, width, 3); None before the first reset."""
        if self._screens is None:
            return [None] * len(self._strength)
        return [screen[0] for screen in self._screens]


def _screen_size(game: Game) -> tuple[int, int]:
    """Return the screen's height and width in pixels; games for PAL sets have 250 rows."""
    height, width = load_game(game).getScreenDims()
    return int(height), int(width)
