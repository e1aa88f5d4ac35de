"""What the rest of the library has to know about a tracker, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Number = float | int


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker sees it.

    Attributes:
        id: the same whenever this run is tracked; letters, digits and ``._=+-``.
        project: where it belongs.
        entity: a team or a user of the tracker's; None for the user's own.
        group: of runs that are looked at together, such as a sweep's.
        tags: words to find it by.
        config: its configuration as plain data.
    """

    id: str
    project: str
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


class Tracker(Protocol):
    """A run that is open in a tracker."""

    def log(self, values: Mapping[str, Number], step: int) -> None:
        """Send finite numbers by their tags; steps never go backwards."""

    def finish(self, *, is_done: bool) -> None:
        """Send what is waiting, and close the run.

        Args:
            is_done: whether the run came to its end; an interrupted one is continued later.
        """


@dataclass(frozen=True)
class TrackerSpec:
    """What a name stands for.

    Attributes:
        name: as the command line and files have it.
        package: what is imported for it.
        extra: of this library, which installs it.
        open: begins a run, or continues the one with this id.
    """

    name: str
    package: str
    extra: str
    open: Callable[[TrackedRun], Tracker]
