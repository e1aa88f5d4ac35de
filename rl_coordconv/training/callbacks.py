"""The callbacks of a training: checkpoints, heartbeat, logs, progress.

Order matters: a rollout starts when the update before it is complete, so that is the moment to
check the losses, then to save, then to stop.
"""

from __future__ import annotations

import csv
import inspect
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import safe_mean

from rl_coordconv._util.errors import DivergedError
from rl_coordconv._util.files import naming
from rl_coordconv._util.links import refuse_link
from rl_coordconv.agents.algorithms import ALGORITHMS
from rl_coordconv.layers import coordinate_weight_ratios
from rl_coordconv.runs.episodes import begin_episodes, truncate_episodes
from rl_coordconv.training.progress import ProgressDisplay
from rl_coordconv.training.signals import StopRequest


class TrainingStoppedError(Exception):
    """Ends ``learn`` between two rollouts, where a checkpoint is exact."""


class NonFiniteLossError(DivergedError):
    """A loss became NaN or infinite; the last checkpoint is from before."""


def check_losses(model: BaseAlgorithm) -> None:
    """Look at the losses that the last update logged.

    Raises:
        NonFiniteLossError: one of them is NaN or infinite.
    """
    for name in sorted({f"train/{one}" for spec in ALGORITHMS.values() for one in spec.losses}):
        value = model.logger.name_to_value.get(name)
        if isinstance(value, float) and not math.isfinite(value):
            raise NonFiniteLossError(f"{name} is {value} after {model.num_timesteps:,} agent steps")


def check_weights(model: BaseAlgorithm) -> None:
    """Look at the weights: the last step of an update can break them after a finite loss.

    Raises:
        DivergedError: one of them is NaN or infinite.
    """
    for name, weights in model.policy.named_parameters():
        # A sum passes over the memory once, and is finite only if all are; it may also overflow.
        if not weights.sum().isfinite() and not weights.isfinite().all():
            raise DivergedError(
                f"{name} has weights that are NaN or infinite after {model.num_timesteps:,} agent "
                "steps"
            )


class CheckLosses(BaseCallback):
    """Stop after the update in which a loss or a weight became NaN or infinite.

    That is before a checkpoint could keep the damage. Beside a GPU looking at the weights would
    mean waiting for it; there they are looked at once the rollout that they spoil tells of it.
    """

    only_watches = True

    def _on_rollout_start(self) -> None:
        check_losses(self.model)
        if self.model.device.type == "cpu":
            check_weights(self.model)

    def _on_step(self) -> bool:
        return True


class SaveAndStop(BaseCallback):
    """Save a checkpoint every so often, and stop when asked to.

    Args:
        save: writes a checkpoint of the model as it is now.
        heartbeat: writes the run's status, so that others see that it is alive.
        stop: whether to stop.
        every_seconds: time between checkpoints.
        heartbeat_seconds: time between heartbeats.
    """

    only_watches = True

    def __init__(
        self,
        save: Callable[[], None],
        heartbeat: Callable[[], None],
        stop: StopRequest,
        every_seconds: float,
        heartbeat_seconds: float = 15.0,
    ) -> None:
        super().__init__()
        self._save, self._heartbeat, self._stop = save, heartbeat, stop
        self._every_seconds, self._heartbeat_seconds = every_seconds, heartbeat_seconds
        self._last_save = self._last_heartbeat = time.monotonic()

    def _on_rollout_start(self) -> None:
        if self._stop:
            raise TrainingStoppedError
        now = time.monotonic()
        if now - self._last_save >= self._every_seconds:
            self._last_save = now
            try:
                self._save()
            except OSError as error:  # a full disk costs this checkpoint, not the training
                warnings.warn(f"no checkpoint was written: {error}", stacklevel=2)

    def _on_step(self) -> bool:
        now = time.monotonic()
        if now - self._last_heartbeat >= self._heartbeat_seconds:
            self._last_heartbeat = now
            self._heartbeat()
        return True


class ShowProgress(BaseCallback):
    """Keep the display up to date."""

    only_watches = True

    def __init__(self, display: ProgressDisplay) -> None:
        super().__init__()
        self._display = display

    def _on_step(self) -> bool:
        episodes = self.model.ep_info_buffer
        mean = float(safe_mean([episode["r"] for episode in episodes])) if episodes else None
        self._display.update(self.num_timesteps, mean)
        return True


class LogCoordinateWeights(BaseCallback):
    """Log how large each CoordConv layer's coordinate weights are beside its image weights.

    The tag is ``coordconv/<layer>/coordinate_to_image_weight_norm``: the Frobenius norm of the
    coordinate channels' weights divided by that of the image channels' weights.
    """

    only_watches = True

    def _on_rollout_end(self) -> None:
        for layer, ratio in coordinate_weight_ratios(self.model.policy).items():
            self.logger.record(f"coordconv/{layer}/coordinate_to_image_weight_norm", ratio)

    def _on_step(self) -> bool:
        return True


class DumpLogs(BaseCallback):
    """Write a row of logs after every so many rollouts of the whole run; after what records.

    stable-baselines3 counts them from where ``learn`` was called: after a resume A2C's rows, one in
    100 rollouts, would stand at other steps than without.

    Args:
        model: its ``learn`` says after how many rollouts.
    """

    only_watches = True

    def __init__(self, model: OnPolicyAlgorithm) -> None:
        super().__init__()
        self._interval = inspect.signature(type(model).learn).parameters["log_interval"].default
        self._agent, self._rollout = model, model.n_steps * model.n_envs

    def _on_rollout_end(self) -> None:
        rollouts = self.num_timesteps // self._rollout
        if rollouts % self._interval == 0:
            self._agent.dump_logs(rollouts)

    def _on_step(self) -> bool:
        return True


class LogEpisodes(BaseCallback):
    """Write each finished episode to ``monitor.csv``; see `rl_coordconv.runs.episodes`.

    Args:
        path: the file.
        game: the game's name.
        resumed_at: drop the episodes that ended after this agent step; they will be played again.
            None begins a new file.
    """

    only_watches = True

    def __init__(self, path: Path, game: str, resumed_at: int | None) -> None:
        super().__init__()
        if resumed_at is None:
            begin_episodes(path, game)
        else:
            truncate_episodes(path, game, resumed_at)
        refuse_link(path)
        self._path, self._file = path, path.open("a", encoding="utf8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def _on_step(self) -> bool:
        if self.locals["dones"].any():
            for info in self.locals["infos"]:
                if (episode := info.get("episode")) is not None:
                    row = [episode["r"], episode["l"], round(episode["t"], 3), self.num_timesteps]
                    self._writer.writerow(row)
        return True

    def _on_rollout_end(self) -> None:
        with naming(self._path):
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
