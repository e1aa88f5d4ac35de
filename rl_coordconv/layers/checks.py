"""Checks of the layers' arguments, with messages that say what is allowed."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from rl_coordconv._util.errors import InputError, closest

ExtraInit = Literal["default", "zero", "separate"]
ExtraScale = float | Literal["kernel"]


def check_arguments(
    groups: int, with_r: bool, coordinate_init: str, zero_mean: bool = False
) -> None:
    """Refuse what a layer with extra channels cannot be built with.

    Raises:
        InputError: groups other than 1, ``with_r`` or ``zero_mean`` that is no truth value, or an
            unknown ``coordinate_init``.
    """
    if groups != 1:
        raise InputError(
            f"groups={groups} is not possible (allowed: 1): it is not defined which group would "
            "see the coordinates"
        )
    for name, value in (("with_r", with_r), ("zero_mean", zero_mean)):
        if not isinstance(value, bool):
            raise InputError(f"{name}={value!r} is neither True nor False")
    allowed = get_args(ExtraInit)
    if coordinate_init not in allowed:
        nearest = closest(str(coordinate_init), allowed, most=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        names = ", ".join(map(repr, allowed))
        raise InputError(f"unknown coordinate_init {coordinate_init!r}{hint} (allowed: {names})")


def check_scale(scale: object) -> None:
    """Refuse what is no ``coordinate_scale``.

    Raises:
        InputError: neither a positive number that float32 can hold nor ``"kernel"``.
    """
    is_number = isinstance(scale, int | float) and not isinstance(scale, bool)
    limits = torch.finfo(torch.float32)  # outside, the coordinates would be zero or infinite
    if scale != "kernel" and not (is_number and limits.tiny <= scale <= limits.max):  # type: ignore[operator]
        nearest = closest(str(scale), ("kernel",), most=1)
        hint = "; did you mean 'kernel'?" if nearest else ""
        raise InputError(
            f"coordinate_scale={scale!r} is not possible{hint} (allowed: a positive number, "
            "or 'kernel' for one over the kernel's area)"
        )
