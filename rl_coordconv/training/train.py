"""Train one run to its end, from the beginning or from its last checkpoint."""

from __future__ import annotations

import time
import warnings
from functools import partial

from rich.console import Console
from stable_baselines3.common.callbacks import CallbackList

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import sync_file, write_json
from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.portable import save_portable
from rl_coordconv.machine.devices import resolve_device
from rl_coordconv.machine.provenance import describe_environment
from rl_coordconv.runs import Evaluation, RunDirectory, RunState, Status
from rl_coordconv.runs.checkpoints import (
    Progress,
    load_newest_checkpoint,
    save_checkpoint,
)
from rl_coordconv.runs.metrics import log_evaluation, open_logger, writer_failures_told_once
from rl_coordconv.runs.precision import PrecisionName
from rl_coordconv.runs.record import add_mark, record_finish, take_up
from rl_coordconv.runs.seeds import training_seed
from rl_coordconv.runs.tracking import Place
from rl_coordconv.trackers.live import LiveTracking, choose_place
from rl_coordconv.training.callbacks import (
    CheckLosses,
    DumpLogs,
    LogCoordinateWeights,
    LogEpisodes,
    SaveAndStop,
    ShowProgress,
    TrainingStoppedError,
    check_losses,
    check_weights,
)
from rl_coordconv.training.evaluate import evaluate_on_episodes
from rl_coordconv.training.failures import (
    divergence_named,
    lost_processes_named,
    recorded_failure,
)
from rl_coordconv.training.initial import load_initial_policy
from rl_coordconv.training.pairing import record_pairing
from rl_coordconv.training.periodic import EvaluateRegularly
from rl_coordconv.training.precision import record_precision, requested_precision
from rl_coordconv.training.profiling import ProfileTraining
from rl_coordconv.training.progress import open_progress
from rl_coordconv.training.saving import save_model, try_saving
from rl_coordconv.training.setup import (
    check_trainable,
    env_threads,
    make_training_env,
    set_threads,
)
from rl_coordconv.training.signals import StopRequest, stop_request

_NOTHING = Progress(num_timesteps=0, training_seconds=0.0, resumes=-1)

CHECKPOINT_SECONDS = 120.0
HEARTBEAT_SECONDS = 15.0


def train(
    run: RunDirectory,
    console: Console,
    argv: list[str] | None = None,
    *,
    threads: int | None = None,
    profile: bool = False,
    precision: PrecisionName | None = None,
    tracking: Place | None = None,
    is_patient: bool = False,
) -> int:
    """Train a run, evaluate it, and keep its status true whatever happens.

    A run that is already done is left as it is. Ctrl-C, SIGTERM or SIGHUP saves a checkpoint and
    the model as they are after the current update.

    Args:
        run: the run's directory, made by `RunDirectory.create`.
        console: where progress is shown.
        argv: the command that asked for it, for ``command.txt``.
        threads: of torch and of the emulator; None takes the cores this process may use, or fewer
            where ``OMP_NUM_THREADS`` says so.
        profile: whether to profile some updates into the run's ``profile/``.
        precision: another precision for what is left of the run; None keeps the one it has.
        tracking: where it is tracked; None goes on where it was tracked before, if it was.
        is_patient: whether being asked to stop once more changes nothing; see `stop_request`.

    Returns:
        The process's exit code: 0 when done, 130 after Ctrl-C, 143 after SIGTERM.

    Raises:
        InputError: another process is training this run, a file of it is damaged, no thread was
            allowed, the run's precision cannot be had here, or a finished run was to change its
            precision.
        DivergedError: losses, values or weights became NaN or infinite.
    """
    with run.locked(), stop_request(is_patient=is_patient) as stop:
        if run.status().state is RunState.DONE:
            if precision is not None:
                raise InputError(f"precision {precision!r} was asked for, but {run.path} is done")
            return 0
        requested_precision(run, precision)  # what is refused is refused before anything is written
        if argv:
            run.record_command(argv)
        with writer_failures_told_once(), recorded_failure(run):
            _Attempt(run, console, stop, threads, profile, precision, tracking).execute()
        return stop.exit_code


class _Attempt:
    """One process's work on a run.

    Args:
        run: the run's directory.
        console: where progress is shown.
        stop: whether to stop.
        threads: of torch and of the emulator; None chooses.
        profile: whether to profile.
        precision: one that is asked for now; None keeps the run's.
        tracking: where it is asked to be tracked.
    """

    def __init__(
        self,
        run: RunDirectory,
        console: Console,
        stop: StopRequest,
        threads: int | None,
        profile: bool,
        precision: PrecisionName | None,
        tracking: Place | None,
    ) -> None:
        self._run, self._console, self._stop, self._profile = run, console, stop, profile
        self._place = choose_place(run, tracking)
        self._config = config = run.config()
        check_trainable(config)
        device = resolve_device(config.device)
        threads = set_threads(threads)
        self._env = make_training_env(config, device, threads)
        self._requested = requested_precision(run, precision)
        extractor, options = config.network
        with self._requested.explained():
            self._model = build_agent(
                config.preset,
                self._env,
                extractor=extractor,
                extractor_kwargs=options,
                seed=config.seed,
                device=str(device),
                precision=self._requested.precision,
                paired_seed=config.seed if config.initialization == "paired" else None,
            )
        try_saving(self._model, run)
        self._resumed = load_newest_checkpoint(run.checkpoints, self._model)
        reached = self._resumed.progress.num_timesteps if self._resumed else None
        for sentence in take_up(run, reached):
            console.print(sentence, soft_wrap=True, highlight=False, markup=False)
        if self._resumed is None:
            load_initial_policy(run, self._model)
        before = self._resumed.progress if self._resumed else _NOTHING
        # The status remembers attempts that ended before they saved anything new.
        status = run.status()
        self._resumes = max(before.resumes, status.resumes) + 1 if self._resumed else 0
        self._divergences = status.divergences
        self._seconds_before = before.training_seconds
        self._began = time.monotonic()
        self._ended: float | None = None
        self._last_heartbeat = self._began
        if self._resumed is None or not self._resumed.resumption.is_exact:
            self._env.seed(training_seed(config.seed, self._resumes))

    def execute(self) -> None:
        """Train what is left, save, evaluate."""
        self._record_environment()
        self._save_status(RunState.RUNNING)
        self._tracking = LiveTracking(self._run, self._place)
        is_done = False
        if self._resumed is not None:
            # Everything is built, and has drawn what it draws.
            self._resumed.put_generators()
        try:
            if self._model.num_timesteps < self._config.total_timesteps:
                self._learn()
            self._save_all()
            evaluation = self._evaluate()
        except TrainingStoppedError:
            self._save_all()
            self._save_status(RunState.INTERRUPTED)
        else:
            if evaluation is not None:
                evaluation.save(self._run.evaluation_file)
                log_evaluation(self._run.path, evaluation)
                self._tracking.send_evaluation(evaluation)
            record_finish(self._run)
            self._save_status(RunState.DONE)
            is_done = True
        finally:
            self._tracking.finish(is_done=is_done)
            self._env.close()

    def _learn(self) -> None:
        done, config = self._model.num_timesteps, self._config
        resumed_at = done if self._resumed else None
        logger = open_logger(
            self._run.path, self._run.metrics_file, resumed_at=resumed_at, also=[self._tracking]
        )
        self._model.set_logger(logger)
        if self._resumed is not None:
            self._resumed.put_logged(self._model)
        display = open_progress(self._console, config.game, config.total_timesteps, done)
        episodes = LogEpisodes(self._run.episodes_file, config.game, resumed_at)
        callbacks = [
            CheckLosses(),
            SaveAndStop(
                self._save_checkpoint, self._write_heartbeat, self._stop, CHECKPOINT_SECONDS
            ),
            ShowProgress(display),
            LogCoordinateWeights(),
            episodes,
            DumpLogs(self._model),
        ]
        profiling = ProfileTraining(
            self._run.path / "profile", partial(self._console.print, soft_wrap=True)
        )
        if self._profile:
            callbacks.append(profiling)
        evaluating = self._evaluate_regularly(resumed_at)
        callbacks += evaluating
        try:
            with divergence_named(self._model), lost_processes_named(config):
                self._model.learn(
                    config.total_timesteps - done,
                    callback=CallbackList(callbacks),
                    log_interval=None,  # type: ignore[arg-type]  # DumpLogs does it
                    reset_num_timesteps=False,
                )
            # SB3 logs before it updates, so the last update's losses are still unseen.
            check_losses(self._model)
            self._model.dump_logs()
        finally:
            profiling.close()
            display.close()
            episodes.close()
            for one in evaluating:
                one.close()
            logger.close()

    def _evaluate_regularly(self, resumed_at: int | None) -> list[EvaluateRegularly]:
        if not self._config.evaluation.freq:
            return []
        return [EvaluateRegularly(self._run, resumed_at, self._keep_alive,
                                  lambda: bool(self._stop))]  # fmt: skip

    def _save_all(self) -> None:
        self._ended = self._ended or time.monotonic()
        self._save_checkpoint()
        save_model(self._model, self._run.model_file)
        save_portable(self._model, self._run.path)

    def _save_checkpoint(self) -> None:
        self._run.check_held()
        check_weights(self._model)
        # Whatever power cut may follow: where the checkpoint is, the rows before it are.
        for path in (self._run.metrics_file, self._run.episodes_file):
            if path.exists():
                sync_file(path)
        add_mark(self._run, self._model.num_timesteps)
        progress = Progress(self._model.num_timesteps, self._seconds(), self._resumes)
        save_checkpoint(self._run.checkpoints, self._model, progress)

    def _seconds(self) -> float:
        return self._seconds_before + (self._ended or time.monotonic()) - self._began

    def _write_heartbeat(self) -> None:
        try:
            self._save_status(RunState.RUNNING)
        except OSError as error:
            warnings.warn(f"no heartbeat was written: {error}", stacklevel=2)

    def _save_status(self, state: RunState) -> None:
        self._run.check_held()
        status = Status(
            state=state,
            num_timesteps=self._model.num_timesteps,
            total_timesteps=self._config.total_timesteps,
            resumes=self._resumes,
            divergences=self._divergences,
            # This attempt answers all divergences before it.
            divergence_retries=self._divergences,
            training_seconds=round(self._seconds(), 3),
        )
        status.save(self._run.status_file)

    def _record_environment(self) -> None:
        described = describe_environment(self._model.device, env_threads(self._env))
        with self._requested.explained():
            chosen = self._model.chosen_precision
        steps = self._model.num_timesteps
        written = record_precision(self._run, self._requested, chosen, steps)
        pairing = record_pairing(self._model, self._config, self._console)
        resumption = self._describe_resumption()
        write_json(self._run.environment_file, described | written | pairing | resumption)

    def _describe_resumption(self) -> dict[str, str]:
        """Say whether the run goes on as if it had never stopped."""
        if self._resumed is None:
            return {}
        how = self._resumed.resumption
        words = "exactly" if how.is_exact else f"with other episodes: {how.reason}"
        self._console.print(f"Resumed {words}.", soft_wrap=True, markup=False, highlight=False)
        return {"resumed": words}

    def _evaluate(self) -> Evaluation | None:
        episodes = self._config.evaluation.episodes
        if episodes == 0:
            return None
        self._console.print(f"Playing {episodes} episodes to evaluate the agent ...")
        return evaluate_on_episodes(
            self._model.policy,
            self._config,
            episodes,
            num_timesteps=self._model.num_timesteps,
            on_step=self._stop_if_asked,
        )

    def _stop_if_asked(self) -> None:
        if self._stop:
            raise TrainingStoppedError
        self._keep_alive()

    def _keep_alive(self) -> None:
        if time.monotonic() - self._last_heartbeat >= HEARTBEAT_SECONDS:
            self._last_heartbeat = time.monotonic()
            self._write_heartbeat()
