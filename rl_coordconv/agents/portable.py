"""Policies on disk without pickle: ``policy.safetensors`` and ``policy.json``.

A zip of stable-baselines3 runs whatever code it contains when it is loaded. These two files hold
numbers and names; of the names only those listed here are ever built.
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
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
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
from rl_coordconv.agents.spaces_as_data import build_space, describe_space
from rl_coordconv.extractors import (
    CoordConvCNN,
    CoordConvCnnPolicy,
    CoordConvCombinedExtractor,
)
from rl_coordconv.extractors.forms import AS_PUBLISHED
from rl_coordconv.extractors.registry import portable_classes
from rl_coordconv.version import __version__

FORMAT_VERSION = 2
"""1 knew one image and discrete actions only."""
WEIGHTS = "policy.safetensors"
DESCRIPTION = "policy.json"

_POLICIES = (ActorCriticCnnPolicy, CoordConvCnnPolicy, MultiInputActorCriticPolicy)
_ACTIVATIONS = (nn.Tanh, nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU)
_PLAIN_OPTIONS = ("share_features_extractor", "normalize_images", "ortho_init")


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
        directory: the directory with the two files, for example a run's.
        device: ``auto``, or where the policy shall compute.

    Returns:
        The policy, in evaluation mode; its ``predict`` is SB3's.

    Raises:
        InputError: a file is missing or damaged, or names something that is not known.
    """
    return read_portable(directory, device).policy


def read_portable(directory: str | Path, device: torch.device | str = "auto") -> PortablePolicy:
    """Build the policy as `load_portable` does, and say how long these weights were trained."""
    folder = Path(directory)
    description = _read_description(folder / DESCRIPTION)
    weights = _read(folder / WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != description.get("sha256"):
        raise InputError(f"{folder / WEIGHTS} does not match the checksum in {DESCRIPTION}")
    num_timesteps = description.get("num_timesteps")
    if type(num_timesteps) is not int or num_timesteps < 0:
        raise InputError(f"{folder / DESCRIPTION}: num_timesteps {num_timesteps!r} is no count")
    policy = _restore(folder / DESCRIPTION, description, weights)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    policy.to(device)
    policy.set_training_mode(False)
    return PortablePolicy(policy, num_timesteps)


def read_checksum(directory: str | Path) -> str:
    """Return the SHA-256 of the weights that `save_portable` wrote, which are checked against it.

    Raises:
        InputError: a file is missing or damaged.
    """
    return hashlib.sha256(_read_weights(Path(directory))).hexdigest()


def load_weights(policy: ActorCriticPolicy, directory: str | Path) -> None:
    """Give a policy the weights of another one, whatever that was built of, if their shapes fit.

    Args:
        policy: changed in place.
        directory: as `load_portable` takes it.

    Raises:
        InputError: a file is missing or damaged, or the weights do not fit: names them.
    """
    folder = Path(directory)
    try:
        tensors = load_tensors(_read_weights(folder))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / WEIGHTS} is damaged: {error}") from error
    own = {name: tuple(tensor.shape) for name, tensor in _unique_tensors(policy).items()}
    there = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = [
        f"{name} is {there.get(name, 'missing')} there and {own.get(name, 'missing')} here"
        for name in sorted(own.keys() | there.keys())
        if own.get(name) != there.get(name)
    ]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(
            f"the weights in {folder} do not fit this policy: {'; '.join(wrong[:3])}{more}"
        )
    _fill(policy, tensors)


def _read_weights(folder: Path) -> bytes:
    weights = _read(folder / WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != _read_description(folder / DESCRIPTION).get("sha256"):
        raise InputError(f"{folder / WEIGHTS} does not match the checksum in {DESCRIPTION}")
    return weights


def _fill(policy: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    shared = _names_by_tensor(policy)
    complete = {name: tensors.pop(group[0]) for group in shared for name in group[:1]}
    complete |= {name: complete[group[0]] for group in shared for name in group[1:]}
    policy.load_state_dict(complete | tensors, strict=True)


def _to_text(description: dict[str, Any]) -> str:
    try:
        return json.dumps(description, indent=2) + "\n"
    except TypeError as error:
        raise InputError(f"the policy cannot be saved without pickle: {error}") from error


def _restore(path: Path, description: dict[str, Any], weights: bytes) -> ActorCriticPolicy:
    try:
        policy = _build(description)
        _fill(policy, load_tensors(weights))
    except InputError:
        raise
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not describe the weights beside it: {error}") from error
    return policy


def _names_by_tensor(policy: nn.Module) -> list[list[str]]:
    """Group the state_dict's names: a shared extractor appears under three of them."""
    groups: dict[int, list[str]] = {}
    for name, tensor in policy.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), []).append(name)
    return list(groups.values())


def _unique_tensors(policy: nn.Module) -> dict[str, torch.Tensor]:
    state = policy.state_dict()
    return {
        group[0]: state[group[0]].detach().cpu().contiguous() for group in _names_by_tensor(policy)
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


def _build(description: dict[str, Any]) -> ActorCriticPolicy:
    observation_space, action_space = _spaces_of(description)
    policy_class = _find("policy", description["policy"], _POLICIES)
    policy: ActorCriticPolicy = policy_class(
        observation_space,
        action_space,
        _no_schedule,
        net_arch=description["net_arch"],
        activation_fn=_find("activation", description["activation"], _ACTIVATIONS),
        features_extractor_class=_find(
            "extractor", description["features_extractor"], _extractors()
        ),
        # What is not said there was not chosen then, whatever the policy's class chooses now.
        features_extractor_kwargs=_as_then(description),
        **{name: description[name] for name in _PLAIN_OPTIONS},
    )
    return policy


def _extractors() -> tuple[type, ...]:
    return (*portable_classes(), CoordConvCombinedExtractor)


def _describe_actions(space: spaces.Space) -> Any:
    described = describe_space(space)
    return described.get("discrete", described)


def _as_then(description: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = description["features_extractor_kwargs"]
    is_chosen_by_policy = description["policy"] == _path(CoordConvCnnPolicy)
    has_coordinates = description["features_extractor"] == _path(CoordConvCNN)
    return AS_PUBLISHED | options if is_chosen_by_policy and has_coordinates else options


def _no_schedule(_: float) -> float:
    """Stand in for the learning rate of a policy that will not learn."""
    return 0.0


def _spaces_of(description: dict[str, Any]) -> tuple[spaces.Space, spaces.Space]:
    observations, actions = description["observation_space"], description["actions"]
    # Format 1 tells how many actions there are, all of them discrete.
    if type(actions) is int:
        actions = {"discrete": actions}
    return build_space(observations), build_space(actions)


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


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads(_read(path))
        version = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if version not in range(1, FORMAT_VERSION + 1):
        raise InputError(
            f"{path} has format version {version!r}; this version of rl-coordconv reads 1 to "
            f"{FORMAT_VERSION}"
        )
    return description


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path.parent} holds no portable policy: {path.name} is missing"
        ) from error
