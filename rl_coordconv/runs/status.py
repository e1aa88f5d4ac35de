"""Where a run stands, kept in ``status.json``; a fresh heartbeat tells a live run from a dead."""

from __future__ import annotations

import os
import socket
import time
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rl_coordconv.files import read_json, write_json
from rl_coordconv.validation import validate


class RunState(StrEnum):
    """The states of a run. ``interrupted`` and ``failed`` can be resumed."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Status(BaseModel):
    """What ``status.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: RunState
    num_timesteps: int = 0
    """Agent steps trained so far."""
    total_timesteps: int = 0
    resumes: int = 0
    """How often the run was taken up again."""
    training_seconds: float = 0.0
    """Wall-clock time of training, over all attempts."""
    heartbeat: float = 0.0
    """When this was written, in seconds since the epoch."""
    pid: int = 0
    host: str = ""
    error: str | None = None
    """What ended a failed run, in a line."""
    traceback: str | None = None
    """Where it happened, or the last lines that the process printed."""

    def save(self, path: Path) -> None:
        """Write the status with a fresh heartbeat."""
        stamp = {"heartbeat": time.time(), "pid": os.getpid(), "host": socket.gethostname()}
        write_json(path, self.model_copy(update=stamp).model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path) -> Status:
        """Read a status; a run without one has not begun."""
        if not path.is_file():
            return cls(state=RunState.PENDING)
        return validate(_ADAPTER, read_json(path), where=str(path), keys=cls.model_fields)


_ADAPTER: TypeAdapter[Status] = TypeAdapter(Status)
