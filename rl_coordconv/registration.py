"""The library's environments in Gymnasium's registry.

``import rl_coordconv`` registers them; Gymnasium itself no longer looks for plugins since 1.0. The
module of an environment is imported when one is made.
"""

from __future__ import annotations

import gymnasium as gym

NAMESPACE = "rl_coordconv"
AIM = f"{NAMESPACE}/Aim-v0"


def register_envs() -> None:
    """Register what is not registered yet."""
    if AIM not in gym.registry:
        gym.register(AIM, entry_point="rl_coordconv.envs.aim:AimEnv")
