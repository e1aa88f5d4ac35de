"""Atari games as stable-baselines3 environments, with their protocols, suites and scores."""

from rl_coordconv.envs.atari_vec_env import AtariVecEnv
from rl_coordconv.envs.games import Game, game_names, resolve_game
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
    "AtariVecEnv",
    "Game",
    "MedianRegression",
    "Protocol",
    "ReferenceScores",
    "Suite",
    "game_names",
    "human_normalized_score",
    "load_protocol",
    "load_suite",
    "median_regressions",
    "reference_scores",
    "resolve_game",
]
