"""Atari games as a stable-baselines3 `VecEnv`, stepped by ale-py's C++ threads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnv,
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs.emulator import (
    SIDE,
    action_names,
    check_actions,
    check_threads,
    first_frames,
    make_emulator,
    receive,
    send,
)
from rl_coordconv.envs.games import resolve_game
from rl_coordconv.envs.protocols import Protocol, load_protocol
from rl_coordconv.envs.screen import TwinScreen

MAX_SEED = 2**31 - 1
"""ALE keeps a seed in 32 bits with a sign."""


class AtariVecEnv(VecEnv):
    """A vector environment of one game.

    What stable-baselines3 expects of its own Atari pipeline holds here too: ``info["episode"]``
    carries the raw score ``r`` and the length ``l`` in emulator frames of full episodes (to
    game over); ``terminal_observation`` and ``TimeLimit.truncated`` accompany every ``done``; a
    lost life is a ``done`` without a new game; `evaluate_policy` counts episodes. Games are the
    same for any number of threads.

    Unlike SB3's ``reset``, which only goes on to the next life, ``reset`` begins new games.

    Args:
        game: the game in any of its spellings, see `resolve_game`.
        n_envs: sub-environments.
        protocol: a protocol's name or a `Protocol`.
        seed: sub-environment i gets ``seed + i`` at the next reset; None leaves it to chance.
        num_threads: emulator threads; None takes the cores this process may use.
        render_mode: ``"rgb_array"`` makes `get_images` return the screen in colour, from a second
            emulator that is stepped in lockstep, at twice the cost.

    Shape:
        observations (n_envs, 4, 84, 84) uint8, oldest image first; rewards (n_envs,) float32;
        dones (n_envs,) bool; actions (n_envs,) integers.

    Raises:
        UnknownNameError: an unknown game or protocol.
        InputError: any other value that is not allowed.

    Source:
        ale-py 0.12 ``AtariVectorEnv``; SB3's ``AtariWrapper`` and ``Monitor`` for the semantics.
    """

    def __init__(
        self,
        game: str,
        n_envs: int,
        *,
        protocol: str | Protocol = "deepmind",
        seed: int | None = None,
        num_threads: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.game = resolve_game(game)
        self.protocol = _check_protocol(protocol)
        self.num_threads = check_threads(n_envs, num_threads)
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"render_mode {render_mode!r} is unknown (allowed: None, 'rgb_array')")
        self._own_render_mode = render_mode
        self._emulator = make_emulator(self.game, n_envs, self.protocol, self.num_threads)
        meanings = action_names(self._emulator, self.game, self.protocol)
        self.action_meanings: list[str] = meanings
        """What each action presses, for example ``["NOOP", "FIRE", "RIGHT", "LEFT"]``."""
        presses_fire = self.protocol.fire_on_life_loss and "FIRE" in meanings
        self._fire = meanings.index("FIRE") if presses_fire else None
        self._screen = TwinScreen(self.game, n_envs, self.protocol) if render_mode else None
        image = (self.protocol.frame_stack, SIDE, SIDE)
        super().__init__(
            n_envs, spaces.Box(0, 255, image, np.uint8), spaces.Discrete(len(meanings))
        )
        self.lives: NDArray[np.int32] = np.zeros(n_envs, np.int32)
        """(n_envs,) lives left after the last step; 0 in games without lives."""
        self._strength = [1.0] * n_envs
        self._returns = np.zeros(n_envs, np.int64)
        self._first_frame = np.zeros(n_envs, np.int64)
        self._press_fire = np.zeros(n_envs, np.bool_)
        self._pressed: list[int] = []
        self._started = time.time()
        self._is_reset = self._is_waiting = self._is_closed = False
        if seed is not None:
            self.seed(seed)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed sub-environment i with ``seed + i``, from the next `reset` on.

        Args:
            seed: None draws one from NumPy's global generator.

        Raises:
            InputError: a seed that does not fit 31 bits.
        """
        last = MAX_SEED - self.num_envs + 1
        if seed is None:
            seed = int(np.random.randint(0, last + 1))
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise InputError(f"seed {seed!r} is not an integer")
        if not 0 <= seed <= last:
            raise InputError(f"seed {seed} is not between 0 and {last}")
        self._seeds = [int(seed) + index for index in range(self.num_envs)]
        return self._seeds

    def reset(self) -> VecEnvObs:
        """Begin a new game in every sub-environment and return the first observations."""
        self._check_open()
        self._drop_pending_step()
        seeds = None
        if any(seed is not None for seed in self._seeds):
            seeds = np.array(self._seeds, dtype=np.int64)
        elif self._screen is not None and not self._is_reset:
            self.seed(None)  # the twin has to be given the same
            seeds = np.array(self._seeds, dtype=np.int64)
        observations, info = self._emulator.reset(seed=seeds)
        if self._screen is not None:
            self._screen.reset(seeds)
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0
        self._press_fire[:] = False
        self._first_frame = first_frames(info)
        self.lives = info["lives"]
        self.reset_infos = [{"lives": int(lives)} for lives in self.lives]
        self._is_reset = True
        return observations

    def step_async(self, actions: NDArray[np.integer]) -> None:
        """Start a step in every sub-environment.

        Args:
            actions: (n_envs,) indices into `action_meanings`.

        Raises:
            InputError: the shape, the type or a value is not allowed. The environments stay usable:
                nothing was sent to the emulator, which an invalid action would hang for ever.
            RuntimeError: not reset yet, or the step before was not waited for.
        """
        self._check_open()
        if not self._is_reset:
            raise RuntimeError("call reset() before step()")
        if self._is_waiting:
            raise RuntimeError("step_wait() must follow step_async() before the next one")
        chosen = check_actions(actions, self.num_envs, self.action_meanings)
        if self._fire is not None:
            self._pressed = np.flatnonzero(self._press_fire).tolist()
            for index in self._pressed:
                chosen[index] = self._fire
        send(self._emulator, chosen, self._strength)
        if self._screen is not None:
            self._screen.send(chosen)
        self._is_waiting = True

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step.

        Returns:
            observations, rewards, dones and infos. The arrays are new ones in every step.

        Raises:
            RuntimeError: no step was started.
        """
        if not self._is_waiting:
            raise RuntimeError("call step_async() before step_wait()")
        observations, rewards, terminated, truncated, info = receive(self._emulator)
        if self._screen is not None:
            self._screen.receive()
        self._is_waiting = False
        self._returns += rewards
        if self._fire is not None:
            # `terminated` does not tell of lives where an episode ends with the game.
            self._press_fire = (info["lives"] > 0) & (info["lives"] < self.lives)
        self.lives = info["lives"]
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for index in self._pressed:
            infos[index]["executed_action"] = self._fire
        dones = terminated | truncated
        if dones.any():
            self._finish_episodes(observations, terminated, truncated, info, infos)
        self._pressed = []
        if self.protocol.clip_rewards:
            rewards = np.sign(rewards)
        # SB3 adds gamma * V to the rewards in place, which integers would cut off.
        return observations, rewards.astype(np.float32), dones, infos

    def _finish_episodes(
        self,
        observations: NDArray[np.uint8],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        info: dict[str, Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Fill in what SB3 wants to know of every sub-environment that is done."""
        first_frame = first_frames(info)
        # A new game, and nothing else, moves the frame that the current game began with.
        is_new_game = first_frame != self._first_frame
        lengths = first_frame - self._first_frame
        dones = terminated | truncated
        for index in np.flatnonzero(dones).tolist():
            # The emulator leaves final_obs unwritten where only a life was lost.
            last = info["final_obs"] if is_new_game[index] else observations
            infos[index]["terminal_observation"] = last[index].copy()
            infos[index]["TimeLimit.truncated"] = bool(truncated[index] and not terminated[index])
            if is_new_game[index]:
                infos[index]["episode"] = {
                    "r": float(self._returns[index]),
                    "l": int(lengths[index]),
                    "t": round(time.time() - self._started, 6),
                }
        self._returns[is_new_game] = 0
        self._first_frame = first_frame
        self._press_fire &= ~is_new_game

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return the sub-environments' screens, (210, 160, 3) uint8; None without ``rgb_array``."""
        if self._screen is None:
            return [None] * self.num_envs
        return self._screen.images()

    def close(self) -> None:
        """Stop the emulator's threads; may be called again."""
        if self._is_closed:
            return
        self._drop_pending_step()
        self._is_closed = True
        # The threads end with the object that owns them.
        del self._emulator
        self._screen = None

    def _drop_pending_step(self) -> None:
        """Read results that nobody waited for: they would be mistaken for the next ones."""
        if not self._is_waiting:
            return
        receive(self._emulator)
        if self._screen is not None:
            self._screen.receive()
        self._is_waiting = False

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the environment is closed")

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of each chosen sub-environment: its lives, or an object all share.

        Raises:
            AttributeError: there is no such attribute.
        """
        if attr_name == "lives":
            return [int(self.lives[index]) for index in self._indices(indices)]
        value = self._own_render_mode if attr_name == "render_mode" else getattr(self, attr_name)
        return [value] * len(list(self._indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: the sub-environments live in C++ and share their settings.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(
            f"{attr_name!r} cannot be set on single environments of AtariVecEnv; build another one "
            "with the protocol you need"
        )

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Answer ``get_action_meanings``; nothing else can be called on a single sub-environment.

        Raises:
            AttributeError: any other method.
        """
        if method_name == "get_action_meanings":
            return [list(self.action_meanings) for _ in self._indices(indices)]
        raise AttributeError(
            f"method {method_name!r} cannot be called on single environments of AtariVecEnv "
            "(allowed: 'get_action_meanings')"
        )

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Say yes to `Monitor`: this environment does its work, and SB3's evaluation asks."""
        is_monitor = issubclass(wrapper_class, Monitor)
        return [is_monitor for _ in self._indices(indices)]

    def _indices(self, indices: VecEnvIndices) -> Iterable[int]:
        return self._get_indices(indices)


def _check_protocol(protocol: str | Protocol) -> Protocol:
    if isinstance(protocol, str):
        return load_protocol(protocol)
    if not isinstance(protocol, Protocol):
        raise InputError(f"protocol {protocol!r} is neither a name nor a Protocol")
    return protocol
