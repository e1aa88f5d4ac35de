"""How fast training could be: emulation alone, and the network's arithmetic at the peak rate."""

from __future__ import annotations

import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticCnnPolicy
from torch.utils.flop_counter import FlopCounterMode

from rl_coordconv.agents.fast.linear import linear
from rl_coordconv.agents.presets import Preset
from rl_coordconv.envs import load_protocol, resolve_game
from rl_coordconv.envs.emulator import make_emulator
from rl_coordconv.extractors import extractor_policy_kwargs

_SIDE = 2048
_ROUNDS = 5
_SAMPLES = 8


@dataclass(frozen=True)
class Roofline:
    """The limit for one agent and one precision on one machine."""

    emulator_steps_per_second: float
    flop_per_step: float
    peak_flop_per_second: float

    @property
    def steps_per_second(self) -> float:
        """Agent steps per second if nothing else took any time, and nothing overlapped."""
        arithmetic = self.flop_per_step / self.peak_flop_per_second
        return 1 / (1 / self.emulator_steps_per_second + arithmetic)


def measure_emulator(game: str, n_envs: int, threads: int, steps: int = 300) -> float:
    """Return the agent steps per second of ale-py's vector environment alone: the best of a few."""
    emulator = make_emulator(resolve_game(game), n_envs, load_protocol("deepmind"), threads)
    emulator.reset(seed=0)
    count = len(emulator.ale.get_action_set())
    actions = np.random.default_rng(0).integers(0, count, (steps, n_envs))
    best = 0.0
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for row in actions:
            emulator.step(row)
        best = max(best, steps * n_envs / (time.perf_counter() - start))
    return best


def measure_peak(dtype: torch.dtype, device: torch.device) -> float:
    """Return the rate of a large matrix product in FLOP/s: the best of a few."""
    left = torch.randn(_SIDE, _SIDE, device=device).to(dtype)
    right = torch.randn(_SIDE, _SIDE, device=device).to(dtype)
    best = 0.0
    with torch.no_grad():
        for _ in range(_ROUNDS + 1):  # the first warms up
            start = time.perf_counter()
            linear(left, right, None)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = max(best, 2 * _SIDE**3 / (time.perf_counter() - start))
    return best


def count_flop(preset: Preset, extractor: str, n_actions: int) -> float:
    """Count an agent step's arithmetic: for its action, and once an epoch to learn from it."""
    space = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    policy = ActorCriticCnnPolicy(
        space,
        gym.spaces.Discrete(n_actions),
        lambda _: 0.0,
        **extractor_policy_kwargs(extractor),
    )
    images = torch.zeros(_SAMPLES, 4, 84, 84, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        policy(images)
    forward = counter.get_total_flops() / _SAMPLES
    with FlopCounterMode(display=False) as counter:
        values, log_probs, _ = policy.evaluate_actions(images, torch.zeros(_SAMPLES).long())
        (values.sum() + log_probs.sum()).backward()
    both = counter.get_total_flops() / _SAMPLES
    epochs = preset.passes
    return forward + epochs * both
