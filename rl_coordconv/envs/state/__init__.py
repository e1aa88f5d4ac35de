"""The state of environments as plain data, so that a training resumes where it stopped."""

from rl_coordconv.envs.state.errors import StateError
from rl_coordconv.envs.state.vec_envs import put_env_state, read_env_state

__all__ = ["StateError", "put_env_state", "read_env_state"]
