"""One run on disk: its directory, its configuration, its state, its checkpoints and its logs."""

from rl_coordconv.runs.config import EvaluationConfig, RunConfig
from rl_coordconv.runs.directory import RunBusyError, RunDirectory
from rl_coordconv.runs.evaluation import Evaluation
from rl_coordconv.runs.metrics import read_metrics
from rl_coordconv.runs.status import RunState, Status

__all__ = [
    "Evaluation",
    "EvaluationConfig",
    "RunBusyError",
    "RunConfig",
    "RunDirectory",
    "RunState",
    "Status",
    "read_metrics",
]
