"""How many units of NatureCNN are alive in the first rollouts of PPO on Pong.

python docs/preset-search/alive_units.py 1e-3
python docs/preset-search/alive_units.py warmup_0.04_lin_1.5e-3
python docs/preset-search/alive_units.py warmup_0.05_lin_1e-3 zero_mean
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

from rl_coordconv import AtariVecEnv, extractor_policy_kwargs
from rl_coordconv.agents import PPO
from rl_coordconv.agents.schedules import to_sb3_schedule

TOTAL = 1_000_000
"""Agent steps that a schedule is laid over."""
ROLLOUTS = 20


class EnoughError(Exception):
    """Ends the training, whose schedule is a longer one's."""


class CountUnits(BaseCallback):
    """After each rollout print the share of units that any of its observations makes positive."""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer
        images = torch.as_tensor(buffer.observations[:, :1]).flatten(0, 1).float() / 255
        extractor: Any = self.model.policy.features_extractor
        shares = []
        with torch.no_grad():
            for layer in (*extractor.cnn, *extractor.linear):
                images = layer(images)
                if isinstance(layer, nn.ReLU):
                    shares.append((images > 0).flatten(1).any(0).float().mean().item())
        explained = 1 - np.var(buffer.returns - buffer.values) / np.var(buffer.returns)
        layers = " ".join(f"{share:6.0%}" for share in shares)
        print(f"{self.num_timesteps:>6} steps  alive {layers}  explained variance {explained:.2f}")
        if self.num_timesteps >= ROLLOUTS * 2048:
            raise EnoughError


def main(learning_rate: str, *options: str) -> None:
    """Train a little with a constant learning rate or a preset's schedule.

    Args:
        learning_rate: a number, or a schedule as presets have it.
        *options: the extractor's that are to be true.
    """
    schedule = learning_rate if learning_rate[0].isalpha() else float(learning_rate)
    model = PPO(
        "CnnPolicy",
        AtariVecEnv("Pong", n_envs=16, seed=0),
        policy_kwargs=extractor_policy_kwargs("cnn", **dict.fromkeys(options, True))
        | {"optimizer_kwargs": {"eps": 1e-5}},
        learning_rate=to_sb3_schedule(schedule),
        n_steps=128,
        batch_size=128,
        n_epochs=2,
        ent_coef=0.01,
        seed=0,
        device="cpu",
        precision="auto",
    )
    with contextlib.suppress(EnoughError):
        model.learn(TOTAL, callback=CountUnits())


if __name__ == "__main__":
    main(*sys.argv[1:])
