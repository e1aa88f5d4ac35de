"""Environments for stable-baselines3: Atari's games, our own, and any of Gymnasium's registry."""

from rl_coordconv.envs.aim import AimEnv
from rl_coordconv.envs.atari_vec_env import AtariVecEnv
from rl_coordconv.envs.games import Game, game_names, resolve_game
from rl_coordconv.envs.gymnasium_envs import check_environment, import_env, import_wrappers
from rl_coordconv.envs.making import FAMILIES, find_env, make_vec_env
from rl_coordconv.envs.presentation import Presentation, build_presentation, load_presentation
from rl_coordconv.envs.protocols import PROTOCOLS, Protocol, load_protocol
from rl_coordconv.envs.spec import EnvFamily, EnvRequest, EnvSpec
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
    "FAMILIES",
    "PROTOCOLS",
    "AimEnv",
    "AtariVecEnv",
    "EnvFamily",
    "EnvRequest",
    "EnvSpec",
    "Game",
    "MedianRegression",
    "Presentation",
    "Protocol",
    "ReferenceScores",
    "Suite",
    "build_presentation",
    "check_environment",
    "find_env",
    "game_names",
    "human_normalized_score",
    "import_env",
    "import_wrappers",
    "load_presentation",
    "load_protocol",
    "load_suite",
    "make_vec_env",
    "median_regressions",
    "reference_scores",
    "resolve_game",
]
