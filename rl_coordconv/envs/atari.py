"""The family of Atari's games: found by any of their spellings, played by ale-py's vector env."""

from __future__ import annotations

from functools import partial

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.envs.atari_vec_env import AtariVecEnv
from rl_coordconv.envs.emulator import SIDE
from rl_coordconv.envs.games import game_names, resolve_game
from rl_coordconv.envs.protocols import Protocol
from rl_coordconv.envs.spec import EnvFamily, EnvRequest, EnvSpec
from rl_coordconv.envs.suites import reference_scores

EMULATOR_FRAMES_PER_SECOND = 60


def find_atari(name: str) -> EnvSpec | None:
    """Return what a game's name stands for; None if it is no Atari game's.

    Raises:
        InputError: a game that cannot be trained on, see `resolve_game`.
    """
    try:
        game = resolve_game(name).name
    except UnknownNameError:
        return None
    return EnvSpec(
        name=game,
        make=partial(_make, game),
        spaces=_spaces,
        steps_per_second=lambda protocol: EMULATOR_FRAMES_PER_SECOND / _of(protocol).frame_skip,
        has_protocols=True,
        reference=reference_scores().get(game),
        alternates_beside_gpu=True,
    )


def _make(game: str, request: EnvRequest) -> VecEnv:
    if request.protocol is None:
        raise InputError(f"game {game!r} needs a protocol")
    return AtariVecEnv(
        game,
        request.n_envs,
        protocol=request.protocol,
        seed=request.seed,
        num_threads=request.num_threads,
        render_mode=request.render_mode,
    )


def _spaces(protocol: Protocol | None) -> tuple[spaces.Space, None]:
    return spaces.Box(0, 255, (_of(protocol).frame_stack, SIDE, SIDE), np.uint8), None


def _of(protocol: Protocol | None) -> Protocol:
    return Protocol(name="default") if protocol is None else protocol


FAMILY = EnvFamily(find_atari, game_names)
