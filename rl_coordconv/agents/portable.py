"""Policies on disk without pickle: ``policy.safetensors`` and ``policy.json``.

A zip of stable-baselines3 runs whatever code it contains when it is loaded. These two files hold
numbers and names; of the names only those listed here are ever built, and only after the sizes that
they claim have been compared with the weights that are there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from safetensors.torch import save as save_tensors
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    MultiInputActorCriticPolicy,
)
from torch import nn

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv._util.files import write_bytes, write_text
from rl_coordconv._util.links import is_there
from rl_coordconv.agents.description import FORMAT_VERSION, Description, read_description
from rl_coordconv.agents.outlines import names_by_tensor, shapes_by_name, without_memory
from rl_coordconv.agents.spaces_as_data import build_space, describe_space
from rl_coordconv.agents.weights import Shapes, check_shapes, read_shapes, read_weights
from rl_coordconv.extractors import (
    CoordConvCNN,
    CoordConvCnnPolicy,
    CoordConvCombinedExtractor,
)
from rl_coordconv.extractors.forms import AS_PUBLISHED
from rl_coordconv.extractors.registry import portable_classes
from rl_coordconv.version import __version__

WEIGHTS = "policy.safetensors"
DESCRIPTION = "policy.json"

_POLICIES = (ActorCriticCnnPolicy, CoordConvCnnPolicy, MultiInputActorCriticPolicy)
_ACTIVATIONS = (nn.Tanh, nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU)
_PLAIN_OPTIONS = ("share_features_extractor", "normalize_images", "ortho_init")
_OURS = ("rl_coordconv.", "stable_baselines3.")

# What building a network of sizes and options that do not go together ends in.
_MISFITS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
            ValueError)  # fmt: skip


def save_portable(model: BaseAlgorithm, directory: str | Path) -> None:
    """Write a model's policy so that it can be loaded without running any code of the file's.

    Each file appears whole or not at all; the description, written last, holds the checksum of the
    weights.

    Args:
        model: an SB3 A2C or PPO, or a subclass, with images among what it observes.
        directory: is made if need be; gets ``policy.safetensors`` and ``policy.json``.

    Raises:
        InputError: a policy, an extractor or a space that this format does not know.
    """
    folder = Path(directory)
    weights = save_tensors(_unique_tensors(model.policy))
    text = _to_text(_describe(model) | {"sha256": hashlib.sha256(weights).hexdigest()})
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / WEIGHTS, weights)
    write_text(folder / DESCRIPTION, text)


@dataclass(frozen=True)
class PortablePolicy:
    """A policy that `save_portable` wrote, and what is told beside it."""

    policy: ActorCriticPolicy
    num_timesteps: int
    """Agent steps that it was trained for."""


def check_portable(model: BaseAlgorithm) -> None:
    """Find out before a training whether `save_portable` will be able to save what comes of it.

    Raises:
        InputError: a policy, an extractor, an option of it or a space that the format does not
            know.
    """
    _to_text(_describe(model))


def load_portable(directory: str | Path, device: torch.device | str = "auto") -> ActorCriticPolicy:
    """Build the policy that `save_portable` wrote.

    Args:
        directory: the directory with the two files, for example a run's; they may be links there,
            as in the cache of a model hub.
        device: ``auto``, or where the policy shall compute.

    Returns:
        The policy, in evaluation mode; its ``predict`` is SB3's.

    Raises:
        InputError: a file is missing or damaged, or names something that is not known.
    """
    return read_portable(directory, device, follow=True).policy


def read_portable(
    directory: str | Path, device: torch.device | str = "auto", *, follow: bool = False
) -> PortablePolicy:
    """Build the policy as `load_portable` does, and say how long these weights were trained.

    Args:
        directory: with the two files.
        device: as `load_portable` takes it.
        follow: whether they may be links.

    Raises:
        InputError: as `load_portable`, or a file is a link.
    """
    path, weights = (_find_file(Path(directory), name, follow) for name in (DESCRIPTION, WEIGHTS))
    description = read_description(path)
    _check_claims(path, description, read_shapes(weights))
    policy = _restore(path, description, read_weights(weights, description.sha256))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    policy.to(device)
    policy.set_training_mode(False)
    return PortablePolicy(policy, description.num_timesteps)


def read_checksum(directory: str | Path) -> str:
    """Return the SHA-256 of the weights that `save_portable` wrote, which are checked against it.

    Raises:
        InputError: a file is missing or damaged.
    """
    checksum, _ = _read_weights(Path(directory))
    return checksum


def load_weights(policy: ActorCriticPolicy, directory: str | Path) -> None:
    """Give a policy the weights of another one, whatever that was built of, if their shapes fit.

    Args:
        policy: changed in place.
        directory: as `load_portable` takes it.

    Raises:
        InputError: a file is missing or damaged, or the weights do not fit: names them.
    """
    _, tensors = _read_weights(Path(directory))
    there = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    refusal = f"the weights in {directory} do not fit this policy"
    check_shapes(there, shapes_by_name(policy), refusal)
    _fill(policy, tensors)


def _read_weights(folder: Path) -> tuple[str, dict[str, torch.Tensor]]:
    path, weights = (_find_file(folder, name, False) for name in (DESCRIPTION, WEIGHTS))
    checksum = read_description(path).sha256
    return checksum, read_weights(weights, checksum)


def _find_file(folder: Path, name: str, follow: bool) -> Path:
    path = folder / name
    if not is_there(path):
        raise InputError(f"{folder} holds no portable policy: {name} is missing")
    return path.resolve() if follow else path


def _check_claims(path: Path, description: Description, there: Shapes) -> None:
    """Compare what a description claims with the weights' shapes, before any of it is allocated."""
    refusal = f"{path} does not describe the weights beside it"
    try:
        with without_memory():
            claimed = shapes_by_name(_build(description, as_outline=True))
    except InputError as error:
        raise InputError(f"{path} describes no policy: {error}") from error
    except _MISFITS as error:
        if not description.features_extractor.startswith(_OURS):
            return  # somebody else's class may not be one that can be built without memory
        raise InputError(f"{refusal}: {error}") from error
    check_shapes(there, claimed, refusal)


def _fill(policy: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    shared = names_by_tensor(policy)
    complete = {name: tensors.pop(group[0]) for group in shared for name in group[:1]}
    complete |= {name: complete[group[0]] for group in shared for name in group[1:]}
    policy.load_state_dict(complete | tensors, strict=True)


def _to_text(description: dict[str, Any]) -> str:
    try:
        return json.dumps(description, indent=2) + "\n"
    except TypeError as error:
        raise InputError(f"the policy cannot be saved without pickle: {error}") from error


def _restore(
    path: Path, description: Description, tensors: dict[str, torch.Tensor]
) -> ActorCriticPolicy:
    try:
        policy = _build(description)
        _fill(policy, tensors)
    except InputError as error:
        raise InputError(f"{path} describes no policy: {error}") from error
    except _MISFITS as error:
        raise InputError(f"{path} does not describe the weights beside it: {error}") from error
    return policy


def _unique_tensors(policy: nn.Module) -> dict[str, torch.Tensor]:
    state = policy.state_dict()
    return {
        group[0]: state[group[0]].detach().cpu().contiguous() for group in names_by_tensor(policy)
    }


def _describe(model: BaseAlgorithm) -> dict[str, Any]:
    policy = model.policy
    if type(policy) not in _POLICIES:
        raise InputError(
            f"policy {_path(type(policy))} cannot be saved without pickle (allowed: "
            f"{', '.join(map(_path, _POLICIES))})"
        )
    extractor = policy.features_extractor_class
    if extractor not in _extractors():
        raise InputError(
            f"extractor {_path(extractor)} cannot be saved without pickle (allowed: "
            f"{', '.join(map(_path, _extractors()))}; one of your own: register_extractor)"
        )
    observations, actions = policy.observation_space, policy.action_space
    return {
        "format_version": _format_of(observations, actions),
        "algorithm": type(model).__name__,
        "num_timesteps": model.num_timesteps,
        "policy": _path(type(policy)),
        "features_extractor": _path(extractor),
        "features_extractor_kwargs": policy.features_extractor_kwargs,
        "net_arch": policy.net_arch,
        "activation": _path(policy.activation_fn),
        **{name: getattr(policy, name) for name in _PLAIN_OPTIONS},
        "observation_space": describe_space(observations),
        "actions": _describe_actions(actions),
        "versions": {
            "rl-coordconv": __version__,
            "stable-baselines3": importlib.metadata.version("stable-baselines3"),
            "torch": torch.__version__,
        },
    }


def _build(description: Description, *, as_outline: bool = False) -> ActorCriticPolicy:
    options = {name: getattr(description, name) for name in _PLAIN_OPTIONS}
    if as_outline:
        options["ortho_init"] = False
    policy_class = _find("policy", description.policy, _POLICIES)
    policy: ActorCriticPolicy = policy_class(
        build_space(description.observation_space, as_outline=as_outline),
        build_space(_actions_of(description), as_outline=as_outline),
        _no_schedule,
        net_arch=description.head_units,
        activation_fn=_find("activation", description.activation, _ACTIVATIONS),
        features_extractor_class=_find("extractor", description.features_extractor, _extractors()),
        # What is not said there was not chosen then, whatever the policy's class chooses now.
        features_extractor_kwargs=_as_then(description),
        **options,
    )
    return policy


def _extractors() -> tuple[type, ...]:
    return (*portable_classes(), CoordConvCombinedExtractor)


def _describe_actions(space: spaces.Space) -> Any:
    described = describe_space(space)
    return described.get("discrete", described)


def _as_then(description: Description) -> dict[str, Any]:
    options: dict[str, Any] = description.features_extractor_kwargs
    is_chosen_by_policy = description.policy == _path(CoordConvCnnPolicy)
    has_coordinates = description.features_extractor == _path(CoordConvCNN)
    return AS_PUBLISHED | options if is_chosen_by_policy and has_coordinates else options


def _no_schedule(_: float) -> float:
    """Stand in for the learning rate of a policy that will not learn."""
    return 0.0


def _actions_of(description: Description) -> Any:
    # Format 1 tells how many actions there are, all of them discrete.
    actions = description.actions
    return {"discrete": actions} if type(actions) is int else actions


def _format_of(observations: spaces.Space, actions: spaces.Space) -> int:
    """Return the oldest format that can say it, so that older versions read what they can."""
    is_plain = isinstance(observations, spaces.Box) and isinstance(actions, spaces.Discrete)
    is_uniform = is_plain and not any(
        isinstance(describe_space(observations)[key], list) for key in ("low", "high")
    )
    return 1 if is_uniform else FORMAT_VERSION


def _path(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _find(kind: str, path: str, allowed: tuple[type, ...]) -> Any:
    by_path = {_path(cls): cls for cls in allowed}
    if path not in by_path:
        raise InputError(str(unknown_name(kind, path, by_path)))
    return by_path[path]
