"""Where a run stands, kept in ``status.json``; a fresh heartbeat tells that a run is alive."""

from __future__ import annotations

import json
import os
import socket
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import BLOCK, is_full, overwrite_bytes, write_json
from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_json
from rl_coordconv._util.text import visible
from rl_coordconv._util.validation import validate
from rl_coordconv.runs.limits import MAX_SECONDS, MAX_STEP


class RunState(StrEnum):
    """The states of a run. ``interrupted`` and ``failed`` can be resumed."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


Count = Annotated[int, Field(ge=0, lt=MAX_STEP, strict=True)]


class Status(BaseModel):
    """What ``status.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    state: RunState
    num_timesteps: Count = 0
    """Agent steps trained so far."""
    total_timesteps: Count = 0
    resumes: Count = 0
    """How often the run was taken up again."""
    divergences: Count = 0
    """How many attempts ended because losses, values or weights became NaN or infinite."""
    divergence_retries: Count = 0
    """How many attempts began after one that had diverged: from an earlier checkpoint, on
    other episodes. A run that needed one has been selected for not diverging."""
    training_seconds: Annotated[float, Field(ge=0, le=MAX_SECONDS, strict=True)] = 0.0
    """Wall-clock time of training, over all attempts."""
    heartbeat: Annotated[float, Field(strict=True)] = 0.0
    """When this was written, in seconds since the epoch."""
    pid: Annotated[int, Field(strict=True)] = 0
    host: str = ""
    error: str | None = None
    """What ended a failed run, in a line."""
    traceback: str | None = None
    """Where it happened, or the last lines that the process printed."""

    @field_validator("error", "traceback", "host", mode="before")
    @classmethod
    def _show(cls, text: Any) -> Any:
        """Write bytes of a name that are no text, and what steers a terminal, as escapes."""
        return visible(text, keep="\n\t") if isinstance(text, str) else text

    @property
    def has_diverged(self) -> bool:
        """Whether the training diverged and was not tried again since."""
        return self.state is RunState.FAILED and self.divergences > self.divergence_retries

    def save(self, path: Path) -> None:
        """Write the status with a fresh heartbeat."""
        stamp = {"heartbeat": time.time(), "pid": os.getpid(), "host": socket.gethostname()}
        stamped = validate(_ADAPTER, self.model_dump() | stamp, where=str(path))
        try:
            write_json(path, stamped.model_dump(mode="json"))
        except OSError as error:
            if not is_full(error) or not path.is_file():
                raise
            # Better without its traceback than "running" for ever.
            overwrite_bytes(path, stamped._in_a_block())

    def _in_a_block(self) -> bytes:
        error = self.error[: BLOCK // 8] if self.error else None
        short = self.model_copy(update={"traceback": None, "error": error})
        # As UTF-8 the error takes at most half of it; as escapes it could take more than all.
        return json.dumps(short.model_dump(mode="json"), ensure_ascii=False).encode()

    @classmethod
    def load(cls, path: Path) -> Status:
        """Read a status; a run without one has not begun.

        Raises:
            InputError: the file is damaged.
        """
        if not is_there(path):
            return cls(state=RunState.PENDING)
        try:
            return validate(_ADAPTER, read_json(path), where=str(path), keys=cls.model_fields)
        except InputError as error:
            hint = "without that file the run goes on from its last checkpoint"
            raise InputError(f"{error} ({hint})") from error


_ADAPTER: TypeAdapter[Status] = TypeAdapter(Status)
