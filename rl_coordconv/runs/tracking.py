"""``tracking.json``: where a run is tracked, and up to which agent step each tracker has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rl_coordconv._util.files import write_json
from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_mapping
from rl_coordconv._util.validation import validate
from rl_coordconv.runs.directory import RunDirectory
from rl_coordconv.runs.status import Count

MAX_WORD = 500
"""Characters of a name."""
Word = Annotated[str, Field(min_length=1, max_length=MAX_WORD)]


class Place(BaseModel):
    """Where a run is kept in a tracker, in the RL Zoo's words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tracker: Word
    """The tracker's name in the registry."""
    project: Word
    entity: Word | None = None
    """A team or a user of the tracker's."""
    group: Word | None = None
    tags: tuple[Word, ...] = ()


class Tracked(BaseModel):
    """A place, and what it has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: Place
    last_step: Count = 0
    """Rows up to this agent step were sent; a resumed run sends none of them again."""
    evaluated_at: Count | None = None
    """Agent steps of the evaluation after training that was sent; None where none was."""
    is_open: bool = False
    """Whether a training sends to it; one that was killed leaves it so, and had sent all rows."""


class TrackingRecord(BaseModel):
    """What ``tracking.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1]
    tracked: tuple[Tracked, ...] = ()
    """At most one a tracker."""
    current: Word | None = None
    """The tracker that training sends to, also when it is resumed."""

    def of(self, tracker: str) -> Tracked | None:
        """Return what a tracker has; None where it has nothing."""
        return next((one for one in self.tracked if one.place.tracker == tracker), None)

    def at(self, place: Place) -> Tracked:
        """Return what a place has; nothing where it is new."""
        there = self.of(place.tracker)
        if there is None or _identity(there.place) != _identity(place):
            return Tracked(place=place)
        return there.model_copy(update={"place": place})

    def with_tracked(self, tracked: Tracked) -> TrackingRecord:
        """Return the record with another state of one tracker."""
        others = [one for one in self.tracked if one.place.tracker != tracked.place.tracker]
        return self.model_copy(update={"tracked": (*others, tracked)})


def _identity(place: Place) -> tuple[str, str, str | None]:
    return place.tracker, place.project, place.entity


_ADAPTER: TypeAdapter[TrackingRecord] = TypeAdapter(TrackingRecord)


def load_tracking(run: RunDirectory) -> TrackingRecord:
    """Read where a run is tracked; an empty record where it is nowhere.

    Raises:
        InputError: the file is damaged.
    """
    path = run.tracking_file
    if not is_there(path):
        return TrackingRecord(format_version=1)
    keys = TrackingRecord.model_fields
    return validate(_ADAPTER, read_mapping(path), where=str(path), keys=keys)


def save_tracking(run: RunDirectory, record: TrackingRecord) -> None:
    """Write ``tracking.json``."""
    write_json(run.tracking_file, record.model_dump(mode="json"))
