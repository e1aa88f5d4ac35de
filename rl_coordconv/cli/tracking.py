"""The flags that say where a run is tracked, by the RL Zoo's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rl_coordconv._util.errors import InputError
from rl_coordconv.cli.arguments import given_flags
from rl_coordconv.cli.outputs import check_extra

if TYPE_CHECKING:
    from rl_coordconv.runs.tracking import Place

DEFAULT_PROJECT = "rl-coordconv"
TRACKING = ("track", "wandb_project_name", "wandb_entity", "wandb_group", "wandb_tags")


class PlaceArguments(Protocol):
    """The flags beside the tracker's name."""

    @property
    def wandb_project_name(self) -> str: ...

    @property
    def wandb_entity(self) -> str | None: ...

    @property
    def wandb_group(self) -> str | None: ...

    @property
    def wandb_tags(self) -> tuple[str, ...]: ...


def read_place(tracker: str | None, flags: PlaceArguments, argv: Sequence[str]) -> Place | None:
    """Return where the flags ask a run to be tracked; None where they do not ask.

    Args:
        tracker: the tracker's name.
        flags: the others.
        argv: what was written.

    Raises:
        UnknownNameError: no such tracker.
        InputError: a flag about tracking without a tracker, or a name that is too long.
        MissingExtraError: the tracker's package is not installed.
    """
    if tracker is None:
        given = given_flags(argv)
        for name in TRACKING[1:]:
            flag = f"--{name.replace('_', '-')}"
            if flag in given:
                raise InputError(f"{flag} is about tracking: name a tracker with --track")
        return None
    from rl_coordconv.runs.tracking import MAX_WORD, Place
    from rl_coordconv.trackers import find_tracker

    spec = find_tracker(tracker)
    check_extra(spec.package, spec.extra, f"tracking with {spec.name}")
    for name in TRACKING[1:]:
        value = getattr(flags, name)
        for word in value if isinstance(value, tuple) else [value or ""]:
            if len(word) > MAX_WORD:
                raise InputError(
                    f"--{name.replace('_', '-')} has {len(word):,} characters (allowed: {MAX_WORD})"
                )
    return Place(
        tracker=spec.name,
        project=flags.wandb_project_name,
        entity=flags.wandb_entity,
        group=flags.wandb_group,
        tags=flags.wandb_tags,
    )
