"""A2C and PPO as stable-baselines3 users know them, computed several times faster."""

from rl_coordconv.agents.a2c import A2C
from rl_coordconv.agents.algorithms import ALGORITHMS, register_algorithm
from rl_coordconv.agents.ppo import PPO
from rl_coordconv.agents.spec import AlgorithmSpec

__all__ = ["A2C", "ALGORITHMS", "PPO", "AlgorithmSpec", "register_algorithm"]
