"""The precision of the torso (the extractor network): fp32, or bf16 where that is faster and right.

Weights, heads, losses and the optimiser stay in float32 either way. What ``auto`` chooses follows
from the machine's instructions and from what bf16 computes there, not from how busy the machine is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv._util.torch_internals import onednn_has_bf16, torch_sees_avx512_bf16
from rl_coordconv.agents.fast.network import FastNetwork
from rl_coordconv.machine.hardware import cpu_flags

PrecisionRequest = Literal["auto", "fp32", "bf16"]
PrecisionName = Literal["fp32", "bf16"]

DTYPES: dict[PrecisionName, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
REQUESTS = ("auto", *DTYPES)

SHOWN_TO_LEARN = ("cpu",)
"""Kinds of device on which ``auto`` may choose bf16: where trainings in both precisions were
compared, see docs/performance.md."""
SHOWN_TO_BE_FASTER = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions of processors on which bf16 was measured to train faster, see docs/performance.md.
oneDNN itself counts a processor with plain AVX-512, where bf16 is emulated and slower."""
_BF16_INSTRUCTIONS = SHOWN_TO_BE_FASTER | {"bf16", "avx_ne_convert"}
"""Names of instructions that multiply in bf16, as Linux lists them; ``bf16`` is ARM's."""

_IMAGES = 64
_MAJORITY = 3
"""Rounds of the timing, of at most five, that have to agree."""
_CLEARLY_SLOW = 0.5
"""Speed of bf16 relative to fp32 that shows a build of torch without kernels for it.

Measured are 1.3 to 1.9 with such kernels and about 0.3 without; a machine busy with other work
moved a single timing to 0.74."""
_LARGEST_ERROR = 0.05
"""Of the features, relative to their norm. bf16 keeps 8 bits: one rounding is 0.002 on average, and
through new and trained networks it adds up to between 0.002 and 0.027."""
_SMALLEST_COSINE = 0.9
"""Between the gradients in bf16 and in fp32.

Rounding turns units near zero on or off, which tilts the gradients of 64 random images: the cosine
of new and trained networks is 0.961 to 0.9997, see docs/performance.md. A limit within that range
would choose the precision by the seed, and refuse to resume what it had begun."""


@dataclass(frozen=True)
class Precision:
    """The precision chosen, and why, in words for the log and ``environment.json``."""

    name: PrecisionName
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of the torso's activations."""
        return DTYPES[self.name]


def check_request_name(request: str) -> None:
    """Refuse an unknown precision, whatever the hardware.

    Raises:
        UnknownNameError: neither ``auto``, ``fp32`` nor ``bf16``.
    """
    if request not in REQUESTS:
        raise unknown_name("precision", str(request), REQUESTS)


def check_request(request: str, device: torch.device) -> None:
    """Refuse early what cannot be had.

    Args:
        request: ``auto``, ``fp32`` or ``bf16``.
        device: where the network runs, of this machine.

    Raises:
        UnknownNameError: an unknown precision.
        InputError: bf16 was asked for where the hardware has no fast bf16.
    """
    check_request_name(request)
    if request == "bf16" and not has_fast_bf16(device):
        raise InputError(
            f"precision 'bf16' was asked for, but {device} has no bf16 arithmetic, where it would "
            "be many times slower than fp32 (allowed here: 'auto', 'fp32')"
        )


def has_fast_bf16(device: torch.device) -> bool:
    """Tell whether convolutions in bf16 run on hardware made for them."""
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not onednn_has_bf16():
        return False
    flags = cpu_flags()
    # torch is asked where the operating system does not list the processor's instructions.
    return bool(_BF16_INSTRUCTIONS & flags) if flags else torch_sees_avx512_bf16()


def choose_precision(request: PrecisionRequest, policy: ActorCriticPolicy) -> Precision:
    """Decide the precision for a policy, on the machine it is on.

    ``auto`` takes bf16 where the processor has instructions that were measured to be faster, and
    the policy's features and gradients come out right there. Both are the same at every call.
    Speed is timed only to find a build of torch without kernels for them (`_CLEARLY_SLOW`).

    Args:
        request: ``fp32`` or ``bf16``, or ``auto``.
        policy: one that the fast path can compute.

    Raises:
        InputError: bf16 was asked for where the hardware lacks it or computes something else.
    """
    check_request(request, policy.device)
    if request == "fp32":
        return Precision("fp32", "asked for")
    if request == "auto" and (reason := _why_not_bf16(policy)):
        return Precision("fp32", f"auto: {reason}")
    check = compare_precisions(policy)
    if request == "bf16":
        if not check.is_right:
            raise InputError(f"precision 'bf16' computes something else here: {check.describe()}")
        return Precision("bf16", f"asked for; {check.describe()}")
    name: PrecisionName = "bf16" if check.is_right and not check.is_slow else "fp32"
    return Precision(name, f"auto: {check.describe()}")


def _why_not_bf16(policy: ActorCriticPolicy) -> str | None:
    """Say what speaks against bf16 before anything is computed."""
    device = policy.device
    if device.type not in SHOWN_TO_LEARN:
        return f"fp32, until learning in bf16 is compared on {device.type}"
    if not has_fast_bf16(device):
        return f"{device} has no bf16 arithmetic"
    if device.type == "cpu" and cpu_flags() and not SHOWN_TO_BE_FASTER & cpu_flags():
        return "fp32, until bf16 is measured on this kind of processor"
    if not any(list(extractor.parameters()) for extractor in _extractors(policy)):
        return "fp32, because the extractor has no weights to compute with"
    return None


@dataclass(frozen=True)
class PrecisionCheck:
    """How bf16 compares with fp32 for one network on one machine."""

    error: float
    """Of the features, relative; of the worst extractor."""
    cosine: float | None
    """Of the angle between the two gradients; None where nothing in the extractor is trained."""
    speedup: float
    """How many times faster bf16 is, forward and backward: the median of some rounds."""
    failure: str | None = None
    """What went wrong in the check, if anything did."""

    @property
    def is_right(self) -> bool:
        """Whether the difference is rounding and nothing else. NaN is not right."""
        is_straight = self.cosine is None or self.cosine >= _SMALLEST_COSINE
        return self.failure is None and self.error <= _LARGEST_ERROR and is_straight

    @property
    def is_slow(self) -> bool:
        """Whether bf16 is so slow that it cannot be the moment."""
        return self.speedup < _CLEARLY_SLOW

    def describe(self) -> str:
        """Return the comparison in words."""
        if self.failure is not None:
            return f"bf16 could not be checked here: {self.failure}"
        verdict = "right" if self.is_right else "wrong"
        if self.cosine is None:
            gradients = "no gradients"
        else:
            gradients = f"gradients' cosine {self.cosine:.4f}"
        pace = ", too slow for kernels of its own" if self.is_slow else ""
        return (
            f"bf16 is {verdict} here (features differ by {self.error:.2%}, {gradients}), timed at "
            f"{self.speedup:.2f} times fp32's speed{pace}"
        )


Outcome = tuple[Tensor, Tensor | None]
"""An extractor's features, and the gradient of all its trained weights in a row."""


def compare_precisions(policy: ActorCriticPolicy) -> PrecisionCheck:
    """Compute features and gradients of random images in both precisions, and time it.

    Takes some tenths of a second; leaves the policy and torch's generators as they are. Whatever
    goes wrong in an extractor of the user's own is told in the result.
    """
    try:
        return _compare(policy)
    except Exception as error:
        words = (str(error).splitlines() or [""])[0]
        nan = float("nan")
        return PrecisionCheck(nan, nan, nan, failure=f"{type(error).__name__}: {words}")


def _compare(policy: ActorCriticPolicy) -> PrecisionCheck:
    with _left_as_it_is(policy), torch.inference_mode(False), torch.enable_grad():
        runs = {name: _make_run(policy, dtype) for name, dtype in DTYPES.items()}
        pairs = list(zip(runs["fp32"](), runs["bf16"](), strict=True))
        speedup = _time(runs, policy.device)
    errors = [_error(exact[0], rounded[0]) for exact, rounded in pairs]
    angles = [_cosine(exact[1], rounded[1]) for exact, rounded in pairs]
    cosines = [angle for angle in angles if angle is not None]
    return PrecisionCheck(_worst(max, errors), _worst(min, cosines) if cosines else None, speedup)


def _worst(choose: Callable[[list[float]], float], values: list[float]) -> float:
    """Return the worst of some numbers; NaN, if there is one, is worse than all."""
    return next((value for value in values if value != value), choose(values))


def _error(exact: Tensor, rounded: Tensor) -> float:
    return 0.0 if torch.equal(exact, rounded) else ((rounded - exact).norm() / exact.norm()).item()


def _cosine(exact: Tensor | None, rounded: Tensor | None) -> float | None:
    if exact is None or rounded is None:
        return None
    if torch.equal(exact, rounded):  # all zeros, too, which have no angle
        return 1.0
    return torch.cosine_similarity(exact, rounded, dim=0).item()


def _extractors(policy: ActorCriticPolicy) -> list[nn.Module]:
    """Return the extractors in the order of `FastNetwork`'s torsos."""
    if policy.share_features_extractor:
        return [policy.features_extractor]
    return [policy.pi_features_extractor, policy.vf_features_extractor]


@contextmanager
def _left_as_it_is(policy: ActorCriticPolicy) -> Iterator[None]:
    """Compute as in evaluation, and restore modes and torch's generators, whatever happens."""
    modes = [(module, module.training) for module in policy.modules()]
    devices = [policy.device] if policy.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        nn.Module.train(policy, False)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def _make_run(policy: ActorCriticPolicy, dtype: torch.dtype) -> Callable[[], list[Outcome]]:
    device, shape = policy.device, policy.observation_space.shape or ()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (_IMAGES, *shape), generator=generator, dtype=torch.uint8)
    images = images.to(device, memory_format=torch.channels_last)
    network, extractors = FastNetwork(policy, dtype), _extractors(policy)

    def run() -> list[Outcome]:
        outcomes = []
        for torso, extractor in zip(network.torsos, extractors, strict=True):
            torch.manual_seed(0)  # an extractor may draw numbers of its own
            features = torso(images)
            outcomes.append((features.detach(), _gradient(features, extractor)))
        return outcomes

    return run


def _gradient(features: Tensor, extractor: nn.Module) -> Tensor | None:
    """Return the gradient of a random sum of the features; None where nothing is trained."""
    parameters = [part for part in extractor.parameters() if part.requires_grad]
    if not parameters or not features.requires_grad:
        return None
    generator = torch.Generator().manual_seed(1)
    direction = torch.randn(features.shape, generator=generator).to(features.device)
    found = torch.autograd.grad((features * direction).sum(), parameters, allow_unused=True)
    parts = [part.reshape(-1) for part in found if part is not None]
    return torch.cat(parts) if parts else None


def _time(runs: Mapping[PrecisionName, Callable[[], object]], device: torch.device) -> float:
    """Return how many times faster bf16 is: the median of rounds that take turns.

    As many rounds as it takes for `_MAJORITY` of them to agree on whether it is clearly slow.
    """
    ratios: list[float] = []
    names = list(runs)
    while True:
        seconds = {name: _seconds(runs[name], device) for name in names}
        names.reverse()
        ratios.append(seconds["fp32"] / seconds["bf16"])
        slow = sum(ratio < _CLEARLY_SLOW for ratio in ratios)
        if max(slow, len(ratios) - slow) >= _MAJORITY:
            return statistics.median(ratios)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
