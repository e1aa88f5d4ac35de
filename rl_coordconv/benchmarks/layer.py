"""What coordinates cost: CoordConv2d beside plain and concatenating convolutions."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from rich.table import Table
from torch import Tensor, nn

from rl_coordconv.benchmarks.checks import (
    MAX_BATCH,
    check_between,
    check_list,
    check_rounds,
    check_seconds,
)
from rl_coordconv.benchmarks.timing import (
    Ratio,
    alternate,
    calls_for,
    describe_machine,
    open_console,
    ratio,
    seconds_per_call,
)
from rl_coordconv.layers import AddCoords, CoordConv2d
from rl_coordconv.machine.hardware import available_cores

LAYERS = {"conv1": (4, 32, 8, 4, 84), "conv2": (32, 64, 4, 2, 20), "conv3": (64, 64, 3, 1, 9)}
"""NatureCNN's convolutions: input and output channels, kernel, stride, input side."""
FEATURES = 512


@dataclass(frozen=True)
class LayerBenchmarkConfig:
    """Time CoordConv2d beside nn.Conv2d and the concatenating CoordConv, alternately."""

    batch_sizes: tuple[int, ...] = (8, 64, 256)
    """Images in a batch."""
    rounds: int = 15
    """How often each candidate is measured."""
    seconds: float = 0.08
    """Length of one measurement."""
    threads: int | None = None
    """torch's threads; default: the cores this process may use."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 computes under autocast."""
    channels_last: bool = False
    """Store the images channels-last."""


@dataclass(frozen=True)
class Row:
    """One line of the result: ratios of time to the plain convolution's."""

    subject: str
    batch_size: int
    mode: str
    plain_ms: float
    concatenating: Ratio
    ours: Ratio


class Concatenating(nn.Module):
    """The usual CoordConv: append the coordinates, then convolve."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.add_coords = AddCoords()
        self.conv = nn.Conv2d(in_channels + 2, out_channels, kernel, stride)

    def forward(self, image: Tensor) -> Tensor:
        """Return the convolution of the image and its coordinates."""
        output: Tensor = self.conv(self.add_coords(image))
        return output


KINDS: dict[str, Callable[[int, int, int, int], nn.Module]] = {
    "plain": nn.Conv2d,
    "concatenating": Concatenating,
    "ours": CoordConv2d,
}


def build_subject(subject: str, kind: str) -> nn.Module:
    """Build one of NatureCNN's convolutions, or the whole ``network``, in one of three kinds."""
    make = KINDS[kind]
    if subject in LAYERS:
        return make(*LAYERS[subject][:4])
    parts: list[nn.Module] = []
    for geometry in LAYERS.values():
        parts += [make(*geometry[:4]), nn.ReLU()]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(64 * 7 * 7, FEATURES), nn.ReLU())


def measure(config: LayerBenchmarkConfig) -> Iterator[Row]:
    """Measure every subject, batch size and mode; yields rows as they are done."""
    for batch_size in config.batch_sizes:
        for subject in (*LAYERS, "network"):
            for mode in ("forward", "forward+backward"):
                yield _measure_one(config, subject, batch_size, mode)


def _measure_one(config: LayerBenchmarkConfig, subject: str, batch_size: int, mode: str) -> Row:
    channels, _, _, _, side = LAYERS.get(subject, LAYERS["conv1"])
    image = torch.rand(batch_size, channels, side, side)
    if config.channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    # A layer inside a network also hands a gradient on; the first one does not.
    image.requires_grad_(mode != "forward" and subject in ("conv2", "conv3"))
    steps = {kind: _step(build_subject(subject, kind), image, mode, config) for kind in KINDS}
    calls = {kind: calls_for(step, config.seconds) for kind, step in steps.items()}
    candidates = {
        kind: (lambda step=step, count=calls[kind]: seconds_per_call(step, count))
        for kind, step in steps.items()
    }
    times = alternate(candidates, config.rounds)
    return Row(
        subject,
        batch_size,
        mode,
        plain_ms=1e3 * statistics.median(times["plain"]),
        concatenating=ratio(times["concatenating"], times["plain"]),
        ours=ratio(times["ours"], times["plain"]),
    )


def _step(
    module: nn.Module, image: Tensor, mode: str, config: LayerBenchmarkConfig
) -> Callable[[], object]:
    if config.channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    is_bf16 = config.dtype == "bfloat16"

    def forward() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
            output: Tensor = module(image)
        return output

    if mode == "forward":

        @torch.no_grad()
        def inference() -> Tensor:
            return forward()

        return inference
    direction = torch.randn_like(forward().detach())

    def training() -> None:
        # As an optimiser's zero_grad() leaves them.
        for parameter in module.parameters():
            parameter.grad = None
        image.grad = None
        forward().backward(direction)

    return training


def main(config: LayerBenchmarkConfig) -> None:
    """Print the table.

    Raises:
        InputError: a value that is not allowed.
    """
    check_rounds(config.rounds, config.threads)
    check_seconds(config.seconds)
    check_list("--batch-sizes", config.batch_sizes)
    for batch_size in config.batch_sizes:
        check_between("--batch-sizes", batch_size, MAX_BATCH)
    threads = config.threads or available_cores()
    torch.set_num_threads(threads)
    console = open_console()
    console.print(describe_machine(threads))
    layout = "channels last" if config.channels_last else "channels first"
    console.print(f"{config.dtype}, {layout}, {config.rounds} rounds, candidates in turn")
    table = Table("subject", "batch", "mode", "plain ms", "concatenating / plain", "ours / plain",
                  title="time relative to nn.Conv2d: median (min-max) over rounds")  # fmt: skip
    for row in measure(config):
        table.add_row(row.subject, str(row.batch_size), row.mode, f"{row.plain_ms:.2f}",
                      str(row.concatenating), str(row.ours))  # fmt: skip
    console.print(table)
