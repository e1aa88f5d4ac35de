"""Evaluate an agent: full episodes, raw scores, environment seeds that training never used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.listing import list_model
from rl_coordconv.agents.portable import read_portable
from rl_coordconv.envs import (
    human_normalized_score,
    make_vec_env,
    reference_scores,
)
from rl_coordconv.envs.spec import TRAINING_SPLIT
from rl_coordconv.extractors.registry import find_spec
from rl_coordconv.layers import coordinate_weight_ratios, without_coordinates
from rl_coordconv.machine.devices import resolve_device
from rl_coordconv.runs import Evaluation, RunConfig, RunDirectory, RunState
from rl_coordconv.runs.policy import check_saved
from rl_coordconv.runs.seeds import evaluation_seed

MAX_ENVS = 8
"""Parallel environments; more would only wait for the longest episode."""


def evaluate_on_episodes(
    policy: BasePolicy,
    config: RunConfig,
    episodes: int,
    *,
    num_timesteps: int,
    deterministic: bool | None = None,
    repetition: int = 0,
    on_step: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Let a policy play full episodes (to game over).

    Args:
        policy: an SB3 policy.
        config: the run it comes from: game, protocol, seed.
        episodes: how many.
        num_timesteps: agent steps that the policy was trained for, for the record.
        deterministic: take the most probable action; None does as the run's configuration says.
        repetition: another number plays other episodes.
        on_step: called after each step of all environments; may raise to stop.

    Raises:
        InputError: fewer than one episode.
    """
    if episodes < 1:
        raise InputError(f"episodes {episodes} is not at least 1")
    greedy = config.evaluation.deterministic if deterministic is None else deterministic
    seed = evaluation_seed(config.seed, repetition)
    episodes_in = partial(_play, policy, config, episodes, seed, greedy, on_step)
    returns, lengths = episodes_in("train")
    elsewhere = {split: episodes_in(split)[0] for split in config.environment.splits}
    protocol = config.protocol.name if config.protocol else None
    return _summarize(config, returns, lengths, num_timesteps=num_timesteps, deterministic=greedy,
                      seed=seed, protocol=protocol, elsewhere=elsewhere)  # fmt: skip


def make_evaluation_env(
    config: RunConfig, episodes: int, *, seed: int, split: str = TRAINING_SPLIT
) -> VecEnv:
    """Build the environments that a run's agent is evaluated in.

    Args:
        config: the run.
        episodes: how many will be played.
        seed: the first environment's.
        split: where, for an environment that has several.
    """
    protocol = config.protocol.for_evaluation() if config.protocol else None
    n_envs = min(episodes, MAX_ENVS)
    return make_vec_env(
        config.game, n_envs, protocol=protocol, presentation=config.env, seed=seed, split=split
    )


def _play(
    policy: BasePolicy,
    config: RunConfig,
    episodes: int,
    seed: int,
    deterministic: bool,
    on_step: Callable[[], None],
    split: str,
) -> tuple[list[float], list[int]]:
    """Return the raw returns and the lengths of the episodes."""
    env = make_evaluation_env(config, episodes, seed=seed, split=split)
    torch.manual_seed(seed)  # actions are sampled
    try:
        returns, lengths = evaluate_policy(
            policy,
            env,
            n_eval_episodes=episodes,
            deterministic=deterministic,
            callback=lambda *_: on_step(),
            return_episode_rewards=True,
        )
    finally:
        env.close()
    assert isinstance(returns, list)
    assert isinstance(lengths, list)
    return [float(value) for value in returns], lengths


def _summarize(
    config: RunConfig, returns: list[float], lengths: list[int], **facts: Any
) -> Evaluation:
    mean = float(np.mean(returns))
    known = config.game in reference_scores()
    return Evaluation(
        game=config.game,
        returns=returns,
        lengths=[int(length) for length in lengths],
        mean=mean,
        median=float(np.median(returns)),
        std=float(np.std(returns)),
        human_normalized_mean=human_normalized_score(config.game, mean) if known else None,
        **facts,
    )


@dataclass(frozen=True)
class LoadedAgent:
    """A policy from a run directory, and the run it comes from."""

    policy: BasePolicy
    config: RunConfig
    num_timesteps: int
    """Agent steps that these weights were trained for; the run may have come further since."""
    state: RunState = RunState.DONE
    """Where the run stood when they were read."""


def refuse_model_file(run: RunDirectory) -> None:
    """Refuse a zip of stable-baselines3 in the place of a run, and say what it would import.

    Raises:
        InputError: there is a file where the directory should be.
    """
    if not run.path.is_file():
        return
    told = ""
    if run.path.suffix == ".zip":
        listing = list_model(run.path.resolve())
        told = f" (loading a zip runs code, which a run directory does not; {listing.sentence})"
    raise InputError(f"{run.path} is a file, not a run directory{told}")


def load_agent(run: RunDirectory, device: str = "auto") -> LoadedAgent:
    """Load a run's last saved policy without unpickling anything.

    It computes in fp32, as whoever loads the saved model will have it.

    Raises:
        InputError: no such run, nothing was saved in it yet, or a file of it is damaged.
    """
    config, state = run.config(), run.status().state
    check_saved(run)
    # Named before the policy's files are read, which know a class only by its path.
    find_spec(config.extractor), config.environment
    saved = read_portable(run.path, device=resolve_device(device))
    return LoadedAgent(saved.policy, config, saved.num_timesteps, state)


@dataclass(frozen=True)
class Ablation:
    """One agent's scores on the same episodes with and without its coordinate channels."""

    intact: Evaluation
    ablated: Evaluation

    @property
    def lost(self) -> float:
        """Mean raw score lost with the coordinates."""
        return self.intact.mean - self.ablated.mean

    @property
    def share_lost(self) -> float | None:
        """What was lost as a share of what the agent has over a random one; None if unknown."""
        scores = reference_scores().get(self.intact.game)
        if scores is None or self.intact.mean <= scores.random:
            return None
        return self.lost / (self.intact.mean - scores.random)


def ablate_coordinates(agent: LoadedAgent, episodes: int, **options: Any) -> Ablation:
    """Evaluate an agent as it is, and again with its extra channels zeroed.

    Args:
        agent: the agent.
        episodes: of each evaluation; both start from the same environment seeds.
        **options: as for `evaluate_on_episodes`.

    Raises:
        InputError: the agent's network has no coordinate channels.
    """
    if not coordinate_weight_ratios(agent.policy):
        raise InputError(
            f"extractor {agent.config.network[0]!r} has no coordinate channels to ablate"
        )
    intact = play(agent, episodes, **options)
    with without_coordinates(agent.policy):
        ablated = play(agent, episodes, **options)
    return Ablation(intact, Evaluation(**{**ablated.as_dict(), "ablated": True}))


def play(agent: LoadedAgent, episodes: int, **options: Any) -> Evaluation:
    """Let a loaded agent play; arguments as for `evaluate_on_episodes`."""
    return evaluate_on_episodes(
        agent.policy, agent.config, episodes, num_timesteps=agent.num_timesteps, **options
    )


def unfinished_note(agent: LoadedAgent) -> str | None:
    """Say that an agent is not that of its run's end, or return None."""
    total = agent.config.total_timesteps
    if agent.state is RunState.DONE and agent.num_timesteps >= total:
        return None
    return (
        f"the run is {agent.state}: the agent is that of {agent.num_timesteps:,} of {total:,} steps"
    )
