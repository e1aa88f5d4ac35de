"""Aim: an environment in which nothing matters but where something is.

The counterpart in reinforcement learning of coordinate regression and its quadrant split (Liu et
al. 2018, section 4): as many places, 56 x 56, and the same quadrant of them held out.
"""

from __future__ import annotations

from typing import Any, Literal, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rl_coordconv._util.errors import InputError, unknown_name

SIDE = 116
"""Pixels of the canvas's side."""
RADIUS = 2
"""The target is a white square of 5 x 5 pixels."""
MARGIN = 30
"""A target's centre keeps so far from the border that in NatureCNN, whose last maps see 36 pixels
at a time, every target is seen by as many places, and as whole: what a map's mean tells of it does
not depend on where it is. Nearer to the border convolutions without padding tell position without
any coordinates."""
COLUMNS = 8
"""How many columns, each 7 of the 56 possible places wide, one can shoot at."""
SHOTS = 16
"""Shots of an episode."""
REGIONS = ("train", "held-out", "all")
"""Where targets appear: everywhere but in the lower right quadrant, only there, or everywhere."""

Region = Literal["train", "held-out", "all"]
Image = NDArray[np.uint8]

_PLACES = 56
_WIDTH = _PLACES // COLUMNS
_ZOOM = 4
_HIT, _MISSED, _GRID = (60, 170, 90), (200, 60, 60), (70, 70, 80)


class AimEnv(gym.Env[Image, np.int64]):
    """A white square appears somewhere; shoot at the column it is in.

    Every shot has a new target. To hit, one needs the target's horizontal place, and nothing else;
    its vertical place does not matter. In the held-out quadrant every column on the right is as
    right an answer as above it, where one can train: who has learned *where* columns are hits there
    too, and who has learned which pixels go with which answer has never seen these.

    Observation: (1, 116, 116) uint8, 0 and 255. Action: the column, 0 (left) to 7. Reward: 1 for a
    hit, else 0. An episode has 16 shots and ends with the last one. The best score is 16; always
    the same column hits 2 of 16 on average over all places.

    ``info["target"]`` is the (x, y) in pixels of the centre of the target that is seen,
    ``info["column"]`` its column, and after a shot ``info["hit"]`` tells whether it hit.

    Args:
        region: where targets appear: ``"train"`` for all but the lower right quadrant (both
            coordinates above 58: 2,407 places), ``"held-out"`` for that one (729), or ``"all"``.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        UnknownNameError: an unknown region.
        InputError: an unknown render mode; an action that is no column; a step before a reset.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's form)

    def __init__(self, region: Region = "train", render_mode: str | None = None) -> None:
        if region not in REGIONS:
            raise unknown_name("region", region, REGIONS)
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"render_mode {render_mode!r} is unknown (allowed: None, 'rgb_array')")
        self.region, self.render_mode = region, render_mode
        self.observation_space = spaces.Box(0, 255, (1, SIDE, SIDE), np.uint8)
        self.action_space = spaces.Discrete(COLUMNS)
        self._places = region_places(region)
        self._target = self._places[0]
        self._shots_left = 0
        self._last: tuple[int, bool] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Image, dict[str, Any]]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        super().reset(seed=seed)
        self._shots_left, self._last = SHOTS, None
        return self._next_target()

    def step(self, action: np.int64) -> tuple[Image, SupportsFloat, bool, bool, dict[str, Any]]:
        """Shoot; see `gymnasium.Env.step`."""
        if self._shots_left == 0:
            raise InputError("the episode is over, or has not begun: call reset first")
        if not self.action_space.contains(np.int64(action)):
            raise InputError(f"action {action!r} is no column (allowed: 0 to {COLUMNS - 1})")
        hit = int(action) == column_of(self._target[0])
        self._shots_left -= 1
        self._last = (int(action), hit)
        image, info = self._next_target()
        return image, float(hit), self._shots_left == 0, False, info | {"hit": hit}

    def render(self) -> Image | None:
        """Return the canvas in colour, four times as large, (464, 464, 3) uint8.

        Below the canvas's edge the column of the last shot is green after a hit, red after a miss.
        """
        if self.render_mode is None:
            return None
        picture = np.repeat(paint(self._target)[0, :, :, None], 3, axis=2)
        picture = picture.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
        edges = (MARGIN + _WIDTH * np.arange(COLUMNS + 1)) * _ZOOM
        picture[:, edges] = np.maximum(picture[:, edges], np.array(_GRID, np.uint8))
        if self._last is not None:
            column, hit = self._last
            picture[-2 * _ZOOM :, edges[column] : edges[column + 1]] = _HIT if hit else _MISSED
        return picture

    def get_action_meanings(self) -> list[str]:
        """Return what each action shoots at, as ale-py's environments say what theirs press."""
        return [f"column {column}" for column in range(COLUMNS)]

    def _next_target(self) -> tuple[Image, dict[str, Any]]:
        self._target = self._places[self.np_random.integers(len(self._places))]
        x, y = map(int, self._target)
        return paint(self._target), {"target": (x, y), "column": column_of(x)}


def column_of(x: int) -> int:
    """Return the column, 0 to 7, of a target whose centre is in pixel column ``x``, 30 to 85."""
    return int((x - MARGIN) // _WIDTH)


def region_places(region: Region) -> NDArray[np.int64]:
    """Return the centres (x, y) of a region's targets in pixels, (places, 2)."""
    line = np.arange(MARGIN, MARGIN + _PLACES)
    places = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    is_held_out = (places > MARGIN + _PLACES // 2).all(axis=1)
    chosen = {"all": slice(None), "held-out": is_held_out, "train": ~is_held_out}[region]
    return np.asarray(places[chosen])


def paint(target: NDArray[np.int64]) -> Image:
    """Return the canvas with a target, (1, 116, 116) uint8."""
    image = np.zeros((1, SIDE, SIDE), np.uint8)
    x, y = target
    image[0, y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1] = 255
    return image
