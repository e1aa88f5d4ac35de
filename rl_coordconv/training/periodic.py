"""Evaluation during training: stable-baselines3's EvalCallback, which here changes no training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from rl_coordconv._util.files import replace
from rl_coordconv._util.random_states import kept_random_states
from rl_coordconv.envs.channels import channels_first
from rl_coordconv.runs import RunDirectory
from rl_coordconv.runs.evaluations import read_evaluations
from rl_coordconv.runs.seeds import MAX_ATTEMPTS, evaluation_seed
from rl_coordconv.training.evaluate import make_evaluation_env
from rl_coordconv.training.saving import save_model

REPETITION = MAX_ATTEMPTS - 1
"""Of the evaluation seeds; the evaluation after training has 0, others count up from there."""


class _AbandonedError(Exception):
    """Ends an evaluation because the training is asked to stop."""


class EvaluateRegularly(EvalCallback):
    """Evaluate every so many agent steps; leave ``evaluations.npz`` and ``best_model.zip``.

    Both are the files that the RL Zoo knows. Each evaluation plays the same episodes, with the
    protocol of the evaluation after training and environment seeds that neither training nor that
    evaluation uses. A resumed run goes on with the rows up to where it is resumed; one that is
    asked to stop leaves out the evaluation it is in.

    Args:
        run: the run's directory.
        resumed_at: the agent step that the run goes on from; None for one that begins.
        heartbeat: called at every step of an evaluation.
        is_stopped: whether to stop.
    """

    only_watches = True

    def __init__(
        self,
        run: RunDirectory,
        resumed_at: int | None,
        heartbeat: Callable[[], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        config = run.config()
        self._run = run
        self._heartbeat, self._is_stopped = heartbeat, is_stopped
        self._seed = evaluation_seed(config.seed, REPETITION)
        episodes = config.evaluation.freq_episodes
        env: VecEnv = make_evaluation_env(config, episodes, seed=self._seed)
        super().__init__(
            env,
            n_eval_episodes=episodes,
            # Calls are steps of all environments together.
            eval_freq=max(1, config.evaluation.freq // config.preset.n_envs),
            deterministic=config.evaluation.deterministic,
            verbose=0,
        )
        self._written = run.path / ".evaluations.tmp.npz"
        self._written.unlink(missing_ok=True)  # SB3 would write through a link
        self.log_path = str(self._written.with_suffix(""))
        if resumed_at is not None:
            self._take_up(resumed_at)

    def _take_up(self, resumed_at: int) -> None:
        for step, returns, lengths in read_evaluations(self._run.evaluations_file):
            if step <= resumed_at:
                self.evaluations_timesteps.append(step)
                self.evaluations_results.append(returns)
                self.evaluations_length.append(lengths)
                self.best_mean_reward = max(self.best_mean_reward, float(np.mean(returns)))

    def _init_callback(self) -> None:
        with warnings.catch_warnings():
            # The training's environments come in groups, or under another protocol.
            warnings.filterwarnings("ignore", message="Training and eval env are not of the same")
            super()._init_callback()
        if self.model.get_vec_normalize_env() is not None:
            # SB3 wants the training's wrappers; scores stay raw.
            raw = VecNormalize(self.eval_env, training=False, norm_obs=False, norm_reward=False)
            self.eval_env = channels_first(raw)
        # Not from the resumption on: the same steps as without it.
        self.n_calls = self.model.num_timesteps // self.training_env.num_envs

    def _on_step(self) -> bool:
        if self.n_calls % self.eval_freq:
            return True
        best = self.best_mean_reward
        with kept_random_states():
            torch.manual_seed(self._seed)  # actions are sampled
            self.eval_env.seed(self._seed)
            try:
                super()._on_step()
                replace(self._written, self._run.evaluations_file)
                if self.best_mean_reward > best:
                    save_model(self.model, self._run.best_model_file)
            except _AbandonedError:
                pass
            except OSError as error:  # a full disk costs this evaluation, not the training
                warnings.warn(f"no evaluation was written: {error}", stacklevel=2)
        return True

    def _log_success_callback(self, locals_: dict[str, Any], globals_: dict[str, Any]) -> None:
        if self._is_stopped():
            raise _AbandonedError
        self._heartbeat()
        super()._log_success_callback(locals_, globals_)

    def close(self) -> None:
        """Close the environments."""
        self.eval_env.close()
