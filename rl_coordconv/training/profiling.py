"""``--profile``: a torch profiler trace of some rollouts and updates, and a table to read first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from torch.profiler import ProfilerActivity, profile, record_function

from rl_coordconv.agents.instrument import PARTS, Stopwatch, instrumented

WARM_UP_STEPS = 2048
PROFILED_STEPS = 2048
_ROWS = 30


class ProfileTraining(BaseCallback):
    """Profile about `PROFILED_STEPS` agent steps, after `WARM_UP_STEPS` unprofiled ones.

    On a GPU each part is waited for (`Stopwatch`), so that what would overlap does not.

    Args:
        directory: gets ``trace.json`` (open it in a browser's about:tracing or in Perfetto) and
            ``table.txt``.
        say: told in a sentence where the files are.
    """

    only_watches = True

    def __init__(self, directory: Path, say: Callable[[str], None]) -> None:
        super().__init__()
        self._directory, self._say = directory, say
        self._stack = ExitStack()
        self._rollouts = 0
        self._profile: profile | None = None

    def _on_rollout_start(self) -> None:
        rollout = self.model.n_steps * self.model.n_envs  # type: ignore[attr-defined]
        first = math.ceil(WARM_UP_STEPS / rollout)
        last = first + math.ceil(PROFILED_STEPS / rollout)
        if self._rollouts == first:
            self._start()
        elif self._rollouts == last and self._profile is not None:
            self._finish()
        self._rollouts += 1

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        if self._profile is not None:
            self._finish()

    def close(self) -> None:
        """Unwrap everything, also where the training ended by an error."""
        self._stack.close()

    def _start(self) -> None:
        self._watch = Stopwatch(self.model.device)
        self._before = self.model.num_timesteps
        activities = [ProfilerActivity.CPU]
        if self.model.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        self._stack.enter_context(instrumented(self.model, self._wrap))  # type: ignore[arg-type]
        self._profile = self._stack.enter_context(profile(activities=activities))
        self._began = time.perf_counter()

    def _wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        timed = self._watch.wrap(part, function)

        def named(*args: Any, **kwargs: Any) -> Any:
            with record_function(part):
                return timed(*args, **kwargs)

        return named

    def _finish(self) -> None:
        seconds = time.perf_counter() - self._began
        steps = self.model.num_timesteps - self._before
        finished, self._profile = self._profile, None
        self._stack.close()
        assert finished is not None
        self._directory.mkdir(exist_ok=True)
        finished.export_chrome_trace(str(self._directory / "trace.json"))
        kind = "device" if self.model.device.type == "cuda" else "cpu"
        operations = finished.key_averages().table(
            sort_by=f"self_{kind}_time_total", row_limit=_ROWS
        )
        table = self._directory / "table.txt"
        table.write_text(f"{self._describe(steps, seconds)}\n\n{operations}\n", encoding="utf8")
        self._say(f"Profile of {steps:,} agent steps in {self._directory}")

    def _describe(self, steps: int, seconds: float) -> str:
        spent = self._watch.seconds
        rest = seconds - sum(spent.values())
        lines = [f"{steps:,} agent steps in {seconds:.2f} s, slowed down by the profiler itself"]
        for part, taken in [*((part, spent.get(part, 0.0)) for part in PARTS), ("rest", rest)]:
            lines.append(f"{part:<10} {taken:8.3f} s  {taken / seconds:6.1%}")
        return "\n".join(lines)
