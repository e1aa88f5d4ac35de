"""One candidate of the training benchmark, in a process of its own: its memory is its own too."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv.agents.algorithms import ALGORITHMS
from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.instrument import Stopwatch, instrumented
from rl_coordconv.agents.precision import PrecisionRequest
from rl_coordconv.agents.presets import Preset
from rl_coordconv.benchmarks.env import make_sb3_env
from rl_coordconv.envs import find_env, load_protocol
from rl_coordconv.envs.training import make_training_env
from rl_coordconv.extractors import extractor_policy_kwargs
from rl_coordconv.machine.devices import resolve_device

_STRETCHES = 2
"""The stretch that is timed in parts is so many times shorter than the other."""


@dataclass(frozen=True)
class Candidate:
    """What to train."""

    game: str
    preset: Preset
    extractor: str
    precision: PrecisionRequest | None
    """None trains stable-baselines3's own agent on its own environments."""
    threads: int
    cuda_graphs: bool = False
    in_script: bool = False
    """Whether it runs as in somebody's own script, without what the command line sets."""

    @property
    def name(self) -> str:
        """How the table calls it."""
        if self.precision is None:
            return f"SB3, {self.extractor}"
        where = ", own script" if self.in_script else ""
        return f"ours, {self.extractor}, {self.precision}{where}"


@dataclass(frozen=True)
class Measurement:
    """Two stretches of training: one for the speed, one for where the time goes."""

    steps_per_second: float
    shares: dict[str, float]
    """The part of the time that emulation, inference, update and the rest took; they add to 1."""
    peak_mib: float
    """Largest resident memory of the process so far."""


def serve(candidate: Candidate, connection: Connection) -> None:
    """Train as many steps as the other side asks for, and answer with a `Measurement`."""
    torch.set_num_threads(candidate.threads)
    env = _make_env(candidate, resolve_device("auto"))
    model = _make_model(candidate, env)
    steps: int | None
    while (steps := connection.recv()) is not None:
        connection.send(_measure(model, steps))
    env.close()


def _measure(model: OnPolicyAlgorithm, steps: int) -> Measurement:
    """Time a stretch of training, then another one in parts: timing them costs time on a GPU."""
    speed, _ = _train(model, steps)
    watch = Stopwatch(model.device)
    with instrumented(model, watch.wrap):
        _, seconds = _train(model, max(1, steps // _STRETCHES))
    shares = {part: spent / seconds for part, spent in watch.seconds.items()}
    shares["rest"] = 1.0 - sum(shares.values())
    return Measurement(speed, shares, _peak_mib())


def _train(model: OnPolicyAlgorithm, steps: int) -> tuple[float, float]:
    """Return agent steps per second, and the seconds that they took."""
    _finish_work(model.device)
    start, before = time.perf_counter(), model.num_timesteps
    model.learn(steps, reset_num_timesteps=False)
    _finish_work(model.device)
    seconds = time.perf_counter() - start
    return (model.num_timesteps - before) / seconds, seconds


def _finish_work(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _make_env(candidate: Candidate, device: torch.device) -> VecEnv:
    """Build stable-baselines3's own environments, or those that our training builds."""
    n_envs = candidate.preset.n_envs
    if candidate.precision is None:
        return make_sb3_env(candidate.game, n_envs)
    return make_training_env(
        find_env(candidate.game),
        n_envs,
        protocol=load_protocol("deepmind"),
        num_threads=candidate.threads,
        beside_gpu=device.type == "cuda",
    )


def _make_model(candidate: Candidate, env: VecEnv) -> OnPolicyAlgorithm:
    preset, extractor, precision = candidate.preset, candidate.extractor, candidate.precision
    if precision is not None:
        graphs = candidate.cuda_graphs
        return build_agent(
            preset, env, extractor=extractor, seed=0, precision=precision, cuda_graphs=graphs
        )
    policy_kwargs = extractor_policy_kwargs(extractor) | preset.optimizer_policy_kwargs()
    model: OnPolicyAlgorithm = ALGORITHMS[preset.algorithm].stock(
        "CnnPolicy", env, policy_kwargs=policy_kwargs, seed=0, **preset.sb3_kwargs()
    )
    return model


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
