"""Atari games as stable-baselines3 environments, with their protocols, suites and scores."""

from rl_coordconv.envs.atari_vec_env import AtariVecEnv
from rl_coordconv.envs.games import Game, game_names, resolve_game
from rl_coordconv.envs.protocols import PROTOCOLS, Protocol, load_protocol
from rl_coordconv.envs.suites import (
    ReferenceScores,
    Suite,
    human_normalized_score,
    load_suite,
    reference_scores,
)

__all__ = [
    "PROTOCOLS",
    "AtariVecEnv",
    "Game",
    "Protocol",
    "ReferenceScores",
    "Suite",
    "game_names",
    "human_normalized_score",
    "load_protocol",
    "load_suite",
    "reference_scores",
    "resolve_game",
]
