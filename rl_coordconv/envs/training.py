"""The environments that a training gets, on a CPU and beside a GPU."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv.envs.alternating import AlternatingVecEnv
from rl_coordconv.envs.protocols import Protocol
from rl_coordconv.envs.spec import EnvRequest, EnvSpec

_SMALLEST_GROUP = 8


def make_training_env(
    spec: EnvSpec, n_envs: int, *, protocol: Protocol | None, num_threads: int, beside_gpu: bool
) -> VecEnv:
    """Build environments to train in; beside a GPU in two groups, of which one is always emulated.

    On a CPU the network and the emulator would only take each other's cores (measured, see
    docs/performance.md).

    Args:
        spec: what is built.
        n_envs: how many sub-environments.
        protocol: of an Atari game; None for all others.
        num_threads: emulator threads.
        beside_gpu: whether the network runs on a GPU.
    """
    is_split = beside_gpu and spec.alternates_beside_gpu and n_envs >= 2 * _SMALLEST_GROUP
    n_groups = 2 if is_split else 1
    sizes = [n_envs // n_groups + (index < n_envs % n_groups) for index in range(n_groups)]
    groups = [
        spec.make(EnvRequest(size, protocol, num_threads=min(num_threads, size))) for size in sizes
    ]
    return groups[0] if n_groups == 1 else AlternatingVecEnv(groups)
