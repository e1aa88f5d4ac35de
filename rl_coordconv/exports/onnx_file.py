"""Policies as ONNX files, compared with torch before they are written."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy

from rl_coordconv._util.errors import InputError
from rl_coordconv.exports.network import OBSERVATION, ExportedPolicy

OPSET = 18
"""Of ONNX's operators: old enough for runtimes since 2023."""
TOLERANCE = 1e-3
"""Of an output, beside its own size: what is above it is no rounding."""

Arrays = dict[str, NDArray[Any]]

_BATCHES = (1, 3)
"""Batch sizes that a file is tried with; it is traced with another one."""
_TRACED = 2
_MAX_BATCH = 2**16
_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class OnnxPolicy:
    """A policy as ONNX has it.

    Attributes:
        content: the file's.
        inputs: shape and type of each input by its name; the first side is the batch's.
        outputs: the same of the outputs.
        largest_difference: of any output between onnxruntime and torch, as tried.
        versions: of what made and tried it.
    """

    content: bytes
    inputs: dict[str, tuple[tuple[int, ...], str]]
    outputs: dict[str, tuple[tuple[int, ...], str]]
    largest_difference: float
    versions: dict[str, str]


def to_onnx(policy: ActorCriticPolicy) -> OnnxPolicy:
    """Turn a policy into ONNX, and try it.

    Args:
        policy: on the CPU, in evaluation mode.

    Raises:
        InputError: actions of a kind that cannot be exported, a network that the exporter does not
            know to express, or one that computes something else as ONNX.
    """
    network = ExportedPolicy(policy).eval()
    arrays = sample_observations(policy.observation_space, _TRACED)
    content = _trace(network, arrays)
    largest = max(_difference(network, content, batch) for batch in _BATCHES)
    with torch.no_grad():
        out = network(_as_tensors(policy, arrays))
    outputs = {
        name: (tuple(one.shape[1:]), str(one.dtype).removeprefix("torch."))
        for name, one in zip(network.outputs, out, strict=True)
    }
    inputs = {name: (array.shape[1:], str(array.dtype)) for name, array in arrays.items()}
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return OnnxPolicy(content, inputs, outputs, largest, versions)


def sample_observations(space: spaces.Space, batch: int, seed: int = 0) -> Arrays:
    """Draw a batch of observations, by the names of a file's inputs."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {OBSERVATION: space}
    arrays = {}
    for number, (name, part) in enumerate(parts.items()):
        rng = np.random.default_rng([seed, number])
        arrays[name] = np.stack([_sample(part, rng) for _ in range(batch)])
    return arrays


def _sample(space: spaces.Space, rng: np.random.Generator) -> NDArray[Any]:
    if isinstance(space, spaces.Box) and space.dtype == np.uint8:  # drawn at once, not by rejection
        return rng.integers(space.low, space.high, dtype=np.uint8, endpoint=True)
    space.seed(int(rng.integers(2**31)))
    return np.asarray(space.sample())


def run_onnx(content: bytes, arrays: Arrays) -> Arrays:
    """Compute a file's outputs, by their names, with onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    given = {one.name: arrays[one.name] for one in session.get_inputs()}
    return dict(zip(names, session.run(names, given), strict=True))


def _trace(network: ExportedPolicy, arrays: Arrays) -> bytes:
    batch = torch.export.Dim("batch", min=1, max=_MAX_BATCH)
    observation = _as_tensors(network.policy, arrays)
    sizes: Any = {name: {0: batch} for name in arrays}
    if not isinstance(observation, dict):
        sizes = sizes[OBSERVATION]
    try:
        with _quietly():
            program = torch.onnx.export(
                network,
                kwargs={"observation": observation},
                dynamo=True,
                opset_version=OPSET,
                input_names=list(arrays),
                output_names=list(network.outputs),
                dynamic_shapes={"observation": sizes},
                verbose=False,
            )
        assert program is not None
        content: bytes = program.model_proto.SerializeToString()
    except Exception as error:  # whatever an exporter meets in a network that it does not know
        raise InputError(f"the policy cannot be written as ONNX: {_reason(error)}") from error
    return content


def _reason(error: BaseException) -> str:
    """Return the first line of what an error began with: the exporter's own wrap it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's remarks about itself from whoever exports a policy."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _as_tensors(policy: ActorCriticPolicy, arrays: Arrays) -> Any:
    tensors = {name: torch.as_tensor(array) for name, array in arrays.items()}
    return tensors if isinstance(policy.observation_space, spaces.Dict) else tensors[OBSERVATION]


def _difference(network: ExportedPolicy, content: bytes, batch: int) -> float:
    """Return the largest difference between onnxruntime's outputs and torch's.

    Raises:
        InputError: it is more than rounding makes.
    """
    arrays = sample_observations(network.policy.observation_space, batch, seed=batch)
    found = run_onnx(content, arrays)
    with torch.no_grad():
        wanted = network(_as_tensors(network.policy, arrays))
    largest = 0.0
    for name, one in zip(network.outputs, wanted, strict=True):
        if name == "action" and not one.is_floating_point():
            continue  # follows from the logits, but for ties
        expected = one.numpy()
        apart = float(np.abs(found[name] - expected).max(initial=0.0))
        if apart > TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0))):
            raise InputError(
                f"the policy computes something else as ONNX: {name} differs by {apart:.3g} from "
                "torch's; nothing was written"
            )
        largest = max(largest, apart)
    return largest
