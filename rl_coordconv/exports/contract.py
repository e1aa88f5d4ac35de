"""What a program has to know to run an exported policy, as plain data beside the file."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import Any

from stable_baselines3.common.preprocessing import is_image_space

from rl_coordconv.agents.spaces_as_data import describe_space
from rl_coordconv.envs import make_vec_env
from rl_coordconv.envs.actions import action_meanings
from rl_coordconv.exports.network import OBSERVATION
from rl_coordconv.exports.onnx_file import OPSET, OnnxPolicy
from rl_coordconv.runs import RunConfig
from rl_coordconv.training.evaluate import LoadedAgent
from rl_coordconv.training.setup import describe_environment
from rl_coordconv.version import __version__

FORMAT_VERSION = 1
BATCH = "batch"
"""Stands for the side of a shape that is free."""

MEANINGS = {
    "logits": "unnormalised log-probabilities of the actions; of several choices one after another",
    "mean": "mean of the normal distribution of each number of the action",
    "std": "standard deviation of each of these",
    "action": "the most probable action, as SB3's predict(deterministic=True) takes it",
    "value": "expected sum of discounted training rewards from this observation on",
}


def describe_export(agent: LoadedAgent, exported: OnnxPolicy, file: str) -> dict[str, Any]:
    """Return the contract of an exported policy.

    Args:
        agent: the policy and its run.
        exported: what it became.
        file: the name of the file that holds it.
    """
    config, space = agent.config, agent.policy.observation_space
    parts = getattr(space, "spaces", None) or {OBSERVATION: space}
    return {
        "format_version": FORMAT_VERSION,
        "file": file,
        "sha256": hashlib.sha256(exported.content).hexdigest(),
        "opset": OPSET,
        "inputs": {
            name: {
                "shape": [BATCH, *shape],
                "dtype": dtype,
                "layout": _layout(parts[name]),
                "space": describe_space(parts[name]),
            }
            for name, (shape, dtype) in exported.inputs.items()
        },
        "outputs": {
            name: {"shape": [BATCH, *shape], "dtype": dtype, "meaning": MEANINGS[name]}
            for name, (shape, dtype) in exported.outputs.items()
        },
        "actions": {
            "space": describe_space(agent.policy.action_space),
            "meanings": _meanings(config),
        },
        "preprocessing": _preprocessing(config, agent.policy.normalize_images),
        "training": {
            "run": config.name,
            "agent": config.agent,
            "extractor": config.network[0],
            "extractor_kwargs": config.network[1],
            "seed": config.seed,
            "agent_steps": agent.num_timesteps,
            "discount": config.preset.gamma,
        },
        "check": {"largest_difference_from_torch": exported.largest_difference},
        "versions": {"rl-coordconv": __version__, **exported.versions},
    }


def _layout(space: Any) -> list[str] | None:
    is_image = is_image_space(space)
    return [BATCH, "channels", "height", "width"] if is_image else None


def _meanings(config: RunConfig) -> list[str] | None:
    env = make_vec_env(
        config.game, 1, protocol=config.protocol, presentation=config.env, num_threads=1
    )
    with closing(env):
        return action_meanings(env)


def _preprocessing(config: RunConfig, divides: bool) -> dict[str, Any]:
    protocol = config.protocol.for_evaluation() if config.protocol else None
    presentation = config.env
    images = protocol.describe_images() if protocol else None
    return {
        "environment": config.game,
        "images": describe_environment(config) if presentation else images,
        "protocol": protocol.model_dump(mode="json") if protocol else None,
        "presentation": presentation.model_dump(mode="json") if presentation else None,
        "in_the_file": "images are divided by 255" if divides else "images are taken as they are",
    }
