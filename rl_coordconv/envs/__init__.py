"""Games as stable-baselines3 environments: Atari's, with protocols and suites, and our own."""

from rl_coordconv.envs.aim import AimEnv
from rl_coordconv.envs.atari_vec_env import AtariVecEnv
from rl_coordconv.envs.games import Game, game_names, resolve_game
from rl_coordconv.envs.making import find_game, is_atari, make_vec_env, regions_to_evaluate
from rl_coordconv.envs.protocols import PROTOCOLS, Protocol, load_protocol
from rl_coordconv.envs.suites import (
    MedianRegression,
    ReferenceScores,
    Suite,
    human_normalized_score,
    load_suite,
    median_regressions,
    reference_scores,
)

__all__ = [
    "PROTOCOLS",
    "AimEnv",
    "AtariVecEnv",
    "Game",
    "MedianRegression",
    "Protocol",
    "ReferenceScores",
    "Suite",
    "find_game",
    "game_names",
    "human_normalized_score",
    "is_atari",
    "load_protocol",
    "load_suite",
    "make_vec_env",
    "median_regressions",
    "reference_scores",
    "regions_to_evaluate",
    "resolve_game",
]
