"""The number format of the convolutional body: fp32, or bf16 where that is faster and right.

Weights, heads, losses and the optimiser stay in float32 either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rl_coordconv.agents.fast.network import FastNetwork
from rl_coordconv.errors import InputError, unknown_name

PrecisionRequest = Literal["auto", "fp32", "bf16"]
PrecisionName = Literal["fp32", "bf16"]

DTYPES: dict[PrecisionName, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

SHOWN_TO_LEARN = ("cpu",)
"""Kinds of device on which ``auto`` may choose bf16: where trainings in both formats were compared,
see docs/performance.md."""

_IMAGES = 64
_ROUNDS = 3
_LARGEST_ERROR = 0.05
"""Of the features, relative to their norm. bf16 keeps 8 bits: one rounding is 0.002 on average, and
through new and trained networks it adds up to between 0.002 and 0.027."""
_SMALLEST_COSINE = 0.9
"""Between the gradients in bf16 and in fp32.

Rounding turns units near zero on or off, which tilts the gradients of 64 random images: the cosine
of new and trained networks is 0.961 to 0.9997, see docs/performance.md. A limit within that range
would choose the format by the seed, and refuse to resume what it had begun."""


@dataclass(frozen=True)
class Precision:
    """The format chosen, and why, in words for the log and ``environment.json``."""

    name: PrecisionName
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of the body's activations."""
        return DTYPES[self.name]


def check_request(request: str, device: torch.device) -> None:
    """Refuse early what cannot be had.

    Args:
        request: ``auto``, ``fp32`` or ``bf16``.
        device: where the network runs.

    Raises:
        UnknownNameError: another word.
        InputError: bf16 was asked for where the hardware has no fast bf16.
    """
    allowed = ("auto", *DTYPES)
    if request not in allowed:
        raise unknown_name("precision", str(request), allowed)
    if request == "bf16" and not has_fast_bf16(device):
        raise InputError(
            f"precision 'bf16' was asked for, but {device} has no bf16 arithmetic, where it would "
            "be many times slower than fp32 (allowed here: 'auto', 'fp32')"
        )


def has_fast_bf16(device: torch.device) -> bool:
    """Tell whether convolutions in bf16 run on hardware made for them."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def choose_precision(request: PrecisionRequest, policy: ActorCriticPolicy) -> Precision:
    """Decide the number format for a policy, on the machine it is on.

    Args:
        request: ``fp32`` or ``bf16``, or ``auto``.
        policy: one that the fast path can compute.

    Raises:
        InputError: bf16 was asked for where the hardware lacks it or computes something else.
    """
    check_request(request, policy.device)
    if request == "fp32":
        return Precision("fp32", "asked for")
    if request == "auto" and policy.device.type not in SHOWN_TO_LEARN:
        reason = f"auto: fp32, until learning in bf16 is compared on {policy.device.type}"
        return Precision("fp32", reason)
    if not has_fast_bf16(policy.device):
        return Precision("fp32", f"auto: {policy.device} has no bf16 arithmetic")
    check = compare_formats(policy)
    if request == "bf16":
        if not check.is_right:
            raise InputError(f"precision 'bf16' computes something else here: {check.describe()}")
        return Precision("bf16", f"asked for; {check.describe()}")
    name: PrecisionName = "bf16" if check.is_right and check.speedup > 1 else "fp32"
    return Precision(name, f"auto: {check.describe()}")


@dataclass(frozen=True)
class FormatCheck:
    """How bf16 compares with fp32 for one network on one machine."""

    error: float
    """Of the features, relative."""
    cosine: float
    """Of the angle between the two gradients."""
    speedup: float
    """How many times faster bf16 is, forward and backward."""

    @property
    def is_right(self) -> bool:
        """Whether the difference is rounding and nothing else. NaN is not right."""
        return self.error <= _LARGEST_ERROR and self.cosine >= _SMALLEST_COSINE

    def describe(self) -> str:
        """Return the comparison in words."""
        verdict = "right" if self.is_right else "wrong"
        return (
            f"bf16 is {self.speedup:.2f} times as fast as fp32 here and {verdict} "
            f"(features differ by {self.error:.2%}, gradients' cosine {self.cosine:.4f})"
        )


def compare_formats(policy: ActorCriticPolicy) -> FormatCheck:
    """Compute features and gradients of random images in both formats, and time it.

    Takes some tenths of a second; leaves the policy and torch's generators as they are.
    """
    was_training = policy.training
    policy.set_training_mode(False)
    try:
        runs = {name: _make_run(policy, dtype) for name, dtype in DTYPES.items()}
        results = {name: run() for name, run in runs.items()}
        seconds = {name: float("inf") for name in runs}
        for _ in range(_ROUNDS):
            for name, run in runs.items():
                seconds[name] = min(seconds[name], _seconds(run, policy.device))
    finally:
        policy.set_training_mode(was_training)
    (features, gradient), (rounded, rounded_gradient) = results["fp32"], results["bf16"]
    return FormatCheck(
        error=((rounded - features).norm() / features.norm()).item(),
        cosine=torch.cosine_similarity(gradient, rounded_gradient, dim=0).item(),
        speedup=seconds["fp32"] / seconds["bf16"],
    )


def _make_run(policy: ActorCriticPolicy, dtype: torch.dtype) -> Callable[[], tuple[Tensor, Tensor]]:
    device, shape = policy.device, policy.observation_space.shape or ()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (_IMAGES, *shape), generator=generator, dtype=torch.uint8)
    images = images.to(device, memory_format=torch.channels_last)
    body = FastNetwork(policy, dtype).bodies[0]
    direction = torch.randn(_IMAGES, policy.features_dim, generator=generator).to(device)
    parameters = [part for part in policy.pi_features_extractor.parameters() if part.requires_grad]

    def run() -> tuple[Tensor, Tensor]:
        features = body(images)
        gradients = torch.autograd.grad((features * direction).sum(), parameters)
        return features.detach(), torch.cat([part.reshape(-1) for part in gradients])

    return run


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
