"""stable-baselines3's `Monitor` for environments that can be resumed, and named where they fail."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.monitor import Monitor

from rl_coordconv.envs.failures import check_outcome, named_failures
from rl_coordconv.envs.state.codecs import Plain
from rl_coordconv.envs.state.errors import StateError
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
