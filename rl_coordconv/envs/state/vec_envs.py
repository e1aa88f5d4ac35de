"""The state of sub-environments side by side, whatever of stable-baselines3's holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.monitor import Monitor
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
from rl_coordconv.envs.state.failures import check_outcome, named_failures
from rl_coordconv.envs.state.objects import put_state, read_state


class ResumableMonitor(Monitor):
    """stable-baselines3's `Monitor`, which also reads and puts the state of what it watches.

    These methods are called by name, also in another process: see `read_env_state`. What the
    environment does wrong is named where it happens, before it becomes a loss that is NaN.
    """

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step; see `gymnasium.Env.step`.

        Raises:
            EnvironmentFailedError: the environment raised an error, or returned what is not finite
                or not of its observation space.
        """
        with named_failures("step", self.total_steps):
            observation, reward, terminated, truncated, info = super().step(action)
            check_outcome(self.observation_space, observation, reward)
        return observation, float(reward), terminated, truncated, info

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset; see `gymnasium.Env.reset`; raises as `step` does."""
        with named_failures("reset", self.total_steps):
            observation, info = super().reset(**kwargs)
            check_outcome(self.observation_space, observation, 0.0)
        return observation, info

    def read_state(self) -> Plain:
        """Return the state of the environment and its wrappers; a `StateError` where it has none.

        An exception would end the process of a `SubprocVecEnv`, so that it is returned.
        """
        try:
            return read_state(self, "env")
        except StateError as error:
            return error
        except Exception as error:  # of an environment's own get_state, for example
            return StateError("env", f"cannot be read: {type(error).__name__}: {error}")

    def put_state(self, state: Plain) -> StateError | None:
        """Bring the environment and its wrappers to a state; return why it does not fit, if so."""
        began = self.t_start
        try:
            put_state(self, state, "env")
        except StateError as error:
            return error
        except Exception as error:
            return StateError("env", f"cannot be put back: {type(error).__name__}: {error}")
        self.t_start = began  # of this process, as the seconds in monitor files are
        return None


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
