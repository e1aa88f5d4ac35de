"""What a training is between two rollouts, as tensors and plain values; and how it is put back.

Before anything is put back all of it is compared with the agent that it is for: a state that passed
its checksum may still be one that a bug, a disk or a person has written.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor

from rl_coordconv._util.sb3_internals import (
    n_updates,
    rollout_position,
    set_n_updates,
    set_rollout_position,
    stats_window,
)
from rl_coordconv.envs.state import StateError, put_env_state, read_env_state
from rl_coordconv.envs.state.vec_envs import put_observation, read_observation

State = dict[str, Any]

_TORCH_RNG_SIZE = len(torch.get_rng_state())
_MT19937_SIZE = 624


class BadStateError(ValueError):
    """A state is no training's: something is missing, of the wrong kind, or not finite."""


class OtherAgentError(ValueError):
    """A state is another agent's: its weights have other names or shapes."""


@dataclass(frozen=True)
class Resumption:
    """How a training goes on.

    Attributes:
        is_exact: whether as if it had never stopped: environments and random generators are where
            they were.
        reason: why not; empty where it is exact.
    """

    is_exact: bool
    reason: str = ""


def read_training_state(model: OnPolicyAlgorithm) -> State:
    """Read the state of a training between two rollouts.

    Args:
        model: an SB3 A2C or PPO, or a subclass.
    """
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "num_timesteps": model.num_timesteps,
        "n_updates": n_updates(model),
        "reward_normalization": _reward_normalization(model),
        "episodes": [_plain_episode(episode) for episode in model.ep_info_buffer or ()],
        "successes": [float(one) for one in model.ep_success_buffer or ()],
        "logged": _logged(model),
        "environment": _environment(model),
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        # SB3 shuffles minibatches with NumPy's global generator.
        "numpy_rng": [name, torch.from_numpy(np.array(keys)), position, has_gauss, cached],
        "python_rng": _plain_random(),
    }


def check_training_state(model: OnPolicyAlgorithm, state: Any, num_timesteps: int) -> None:
    """Compare a whole state with the agent that it is for, and change nothing.

    Args:
        model: a freshly built agent.
        state: as read from a file.
        num_timesteps: what the file beside it says.

    Raises:
        BadStateError: it is no state of a training.
        OtherAgentError: it is one of another agent.
    """
    if not isinstance(state, dict):
        raise BadStateError(f"it holds a {type(state).__name__} rather than a training's state")
    for key, check in _CHECKS.items():
        if key not in state:
            raise BadStateError(f"{key} is missing")
        if not check(state[key]):
            raise BadStateError(f"{key} is not what a training writes there")
    if state["num_timesteps"] != num_timesteps:
        raise BadStateError(
            f"it has {state['num_timesteps']:,} agent steps, its manifest {num_timesteps:,}"
        )
    _check_weights(model.policy.state_dict(), state["policy"])
    _check_optimizer(model.policy.optimizer, state["optimizer"], state["n_updates"])


def put_training_state(model: OnPolicyAlgorithm, state: State) -> Resumption:
    """Bring a freshly built agent and its environments to a state that was checked.

    Returns:
        How the training goes on. Where it is not exact the environments are still to be reset.
    """
    model.policy.load_state_dict(state["policy"])
    model.policy.optimizer.load_state_dict(state["optimizer"])
    env, moments = model.get_vec_normalize_env(), state.get("reward_normalization")
    if env is not None and moments is not None:
        mean, variance, env.ret_rms.count = moments
        env.ret_rms.mean, env.ret_rms.var = np.array(mean), np.array(variance)
    model.num_timesteps = state["num_timesteps"]
    set_n_updates(model, state["n_updates"])
    # learn(reset_num_timesteps=False) keeps these buffers where they exist.
    window = stats_window(model)
    model.ep_info_buffer = deque(state["episodes"], maxlen=window)
    model.ep_success_buffer = deque(state.get("successes", ()), maxlen=window)
    return _put_environment(model, state.get("environment"))


def put_generators(state: State) -> None:
    """Bring the process's random generators to where they were.

    Last of all: building agents and resetting environments draws from them.
    """
    torch.set_rng_state(state["torch_rng"])
    if state["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])
    name, keys, position, has_gauss, cached = state["numpy_rng"]
    np.random.set_state((name, keys.numpy(), position, has_gauss, cached))
    if "python_rng" in state:
        version, internal, gauss = state["python_rng"]
        random.setstate((version, tuple(internal), gauss))


def put_logged(model: OnPolicyAlgorithm, state: State) -> None:
    """Give a logger what had been recorded and not been written yet, for the next row."""
    for key, (value, excluded) in state.get("logged", {}).items():
        model.logger.record(key, value, exclude=tuple(excluded) or None)


def _reward_normalization(model: OnPolicyAlgorithm) -> list[float] | None:
    """Return the running mean, variance and count of `VecNormalize`; None without one."""
    env = model.get_vec_normalize_env()
    if env is None:
        return None
    moments = env.ret_rms
    return [float(moments.mean), float(moments.var), float(moments.count)]


def _plain_episode(episode: dict[str, Any]) -> dict[str, float]:
    return {key: float(episode[key]) for key in ("r", "l", "t")}


def _plain_random() -> list[Any]:
    version, internal, gauss = random.getstate()
    return [version, list(internal), gauss]


def _logged(model: OnPolicyAlgorithm) -> dict[str, list[Any]]:
    """Return the numbers that the last update has recorded for the next row."""
    logger = getattr(model, "_logger", None)
    if logger is None:
        return {}
    numbers = {
        key: float(value)
        for key, value in logger.name_to_value.items()
        if isinstance(value, (int, float, np.number))
    }
    return {key: [value, list(logger.name_to_excluded.get(key) or ())]
            for key, value in numbers.items()}  # fmt: skip


def _environment(model: OnPolicyAlgorithm) -> dict[str, Any]:
    """Read where the environments are, or why that cannot be read."""
    position = rollout_position(model)
    if position is None or model.env is None:
        return {"reason": "no observation is known with which the next rollout begins"}
    try:
        return {
            "state": read_env_state(model.env),
            "position": {name: read_observation(one) for name, one in position.items()},
        }
    except StateError as error:
        return {"reason": str(error)}


def _put_environment(model: OnPolicyAlgorithm, saved: dict[str, Any] | None) -> Resumption:
    if saved is None:
        return Resumption(False, "the checkpoint is from before environments were saved")
    if "reason" in saved or model.env is None:
        return Resumption(False, saved.get("reason", "there is no environment"))
    # Some environments build what their state is put into at their first reset.
    model.env.reset()
    try:
        put_env_state(model.env, saved["state"])
        position = {name: put_observation(one) for name, one in saved["position"].items()}
    except (StateError, KeyError, TypeError, ValueError) as error:
        return Resumption(False, f"the environment has changed: {error}")
    set_rollout_position(model, position)
    return Resumption(True)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_byte_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype is torch.uint8 and value.ndim == 1


def _is_episodes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and set(one) == {"r", "l", "t"} and all(map(_is_number, one.values()))
        for one in value
    )


def _is_numpy_state(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 5
        and value[0] == "MT19937"
        and isinstance(value[1], Tensor)
        and value[1].shape == (_MT19937_SIZE,)
        and not value[1].is_floating_point()
        and _is_count(value[2])
        and value[2] <= _MT19937_SIZE
        and value[3] in (0, 1)
        and _is_number(value[4])
    )


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "policy": lambda value: isinstance(value, dict),
    "optimizer": lambda value: isinstance(value, dict) and {"state", "param_groups"} <= set(value),
    "num_timesteps": _is_count,
    "n_updates": _is_count,
    "episodes": _is_episodes,
    "torch_rng": lambda value: _is_byte_tensor(value) and len(value) == _TORCH_RNG_SIZE,
    "cuda_rng": lambda value: isinstance(value, list) and all(map(_is_byte_tensor, value)),
    "numpy_rng": _is_numpy_state,
}
"""What every state has; what came later is optional, so that earlier checkpoints stay readable."""


def _check_weights(own: Mapping[str, Any], saved: dict[str, Any]) -> None:
    if set(own) != set(saved):
        differing = sorted(set(own) ^ set(saved), key=str)
        raise OtherAgentError(f"only one of the two has {differing[0]}")
    for name, weights in own.items():
        there = saved[name]
        if not isinstance(there, Tensor):
            raise BadStateError(f"{name} is no tensor")
        if there.shape != weights.shape:
            raise OtherAgentError(
                f"{name} has the shape {tuple(there.shape)}, not {tuple(weights.shape)}"
            )
        if not torch.isfinite(there).all():
            raise BadStateError(f"{name} has weights that are NaN or infinite")


def _check_optimizer(
    optimizer: torch.optim.Optimizer, saved: dict[str, Any], n_updates: int
) -> None:
    groups, states = saved["param_groups"], saved["state"]
    own = optimizer.state_dict()["param_groups"]
    if not isinstance(groups, list) or not isinstance(states, dict):
        raise BadStateError("the optimizer's state is not what a training writes there")
    sizes = [len(group["params"]) if isinstance(group, dict) and "params" in group else -1
             for group in groups]  # fmt: skip
    if sizes != [len(group["params"]) for group in own]:
        raise OtherAgentError(f"the optimizer has {sizes} parameters in its groups")
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    if n_updates and not states:
        raise BadStateError(f"the optimizer remembers nothing after {n_updates:,} updates")
    for index, one in states.items():
        if not isinstance(one, dict) or not _is_count(index) or index >= len(parameters):
            raise BadStateError("the optimizer's state is not what a training writes there")
        _check_moments(index, one, parameters[index])


def _check_moments(index: int, moments: dict[str, Any], parameter: Tensor) -> None:
    for name, value in moments.items():
        if not isinstance(value, Tensor):
            continue
        if value.ndim and value.shape != parameter.shape:
            raise OtherAgentError(
                f"the optimizer's {name} {index} has the shape {tuple(value.shape)}, not "
                f"{tuple(parameter.shape)}"
            )
        if not torch.isfinite(value).all():
            raise BadStateError(f"the optimizer's {name} {index} is NaN or infinite")
