"""The state of sub-environments side by side, whatever of stable-baselines3's holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecNormalize,
    VecTransposeImage,
)

from rl_coordconv.envs.state.codecs import Plain
from rl_coordconv.envs.state.errors import StateError
from rl_coordconv.envs.state.monitor import ResumableMonitor
from rl_coordconv.envs.state.objects import put_state, read_state


def read_env_state(env: VecEnv) -> Plain:
    """Read the state of sub-environments between two steps.

    Args:
        env: of `Monitor`-ed environments built by this library, perhaps with frames stacked,
            rewards normalised, images transposed.

    Raises:
        StateError: it cannot be read; says what cannot.
    """
    layers = []
    while isinstance(env, (VecFrameStack, VecNormalize, VecTransposeImage)):
        layers.append(_read_layer(env))
        env = env.venv
    _need_monitors(env)
    states = env.env_method("read_state")
    for state in states:
        if isinstance(state, StateError):
            raise state
    return {"layers": layers, "sub_environments": states}


def put_env_state(env: VecEnv, state: Plain) -> None:
    """Bring freshly reset sub-environments to a state.

    Args:
        env: built as the one whose state was read, and reset since.
        state: from `read_env_state`.

    Raises:
        StateError: it does not fit; the environments are then to be reset.
    """
    layers = list(state["layers"])
    while isinstance(env, (VecFrameStack, VecNormalize, VecTransposeImage)):
        if not layers:
            raise StateError(type(env).__name__, "was not there")
        _put_layer(env, layers.pop(0))
        env = env.venv
    _need_monitors(env)
    states = state["sub_environments"]
    if layers or len(states) != env.num_envs:
        raise StateError("the environment", f"had {len(states)} sub-environments in other wrappers")
    for index, one in enumerate(states):
        (error,) = env.env_method("put_state", one, indices=index)
        if error is not None:
            raise error


def _need_monitors(env: VecEnv) -> None:
    if not isinstance(env, (DummyVecEnv, SubprocVecEnv)):
        raise StateError(type(env).__name__, "keeps its state outside of Python")
    if not all(env.env_is_wrapped(ResumableMonitor)):
        raise StateError(type(env).__name__, "holds environments that were not built to be resumed")


def _read_layer(env: VecEnv) -> Plain:
    if isinstance(env, VecFrameStack):
        return read_state(env.stacked_obs, "stacked frames")
    if isinstance(env, VecNormalize):
        return read_state([env.returns, env.old_reward], "normalised rewards")
    return None


def _put_layer(env: VecEnv, state: Plain) -> None:
    if isinstance(env, VecFrameStack):
        put_state(env.stacked_obs, state, "stacked frames")
    elif isinstance(env, VecNormalize):
        env.returns, env.old_reward = put_state(None, state, "normalised rewards")


def read_observation(observation: Any) -> Plain:
    """Read an observation, an array or a dictionary of arrays, or None."""
    return read_state(observation, "observation")


def put_observation(state: Plain) -> np.ndarray[Any, Any] | dict[str, np.ndarray[Any, Any]] | None:
    """Return an observation from `read_observation`."""
    return put_state(None, state, "observation")
