"""The device that a name stands for."""

from __future__ import annotations

import torch

from rl_coordconv._util.errors import InputError, unknown_name

DEVICES = ("auto", "cpu", "cuda")


def check_device_name(device: str) -> None:
    """Refuse an unknown device, whatever the hardware.

    Raises:
        UnknownNameError: neither ``auto``, ``cpu`` nor ``cuda``.
    """
    if device not in DEVICES:
        raise unknown_name("device", str(device), DEVICES)


def resolve_device(device: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device.

    Raises:
        InputError: CUDA was asked for where there is none; SB3 would quietly train on the CPU.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch finds none (allowed: auto, cpu)")
    return torch.device(device)
