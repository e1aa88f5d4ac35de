"""Load saved agents: nothing is unpickled unless you say so, and nothing is silently replaced."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv._util.reading import parse_json
from rl_coordconv._util.sb3_internals import refuse_replacements
from rl_coordconv.agents.algorithms import ALGORITHMS
from rl_coordconv.agents.listing import DAMAGE, list_model, read_member
from rl_coordconv.agents.portable import load_portable as load_policy

__all__ = ["load", "load_policy"]

_STOCK: dict[str, type[BaseAlgorithm]] = dict(
    sorted([("dqn", DQN), *((spec.name, spec.stock) for spec in ALGORITHMS.values())])
)


def load(
    path: str | Path,
    *,
    trust: bool = False,
    algorithm: type[BaseAlgorithm] | str | None = None,
    env: VecEnv | None = None,
    device: str = "auto",
    **options: Any,
) -> BaseAlgorithm:
    """Load a model that stable-baselines3 saved, and make sure that it is the one that was saved.

    Where a saved model names a class that cannot be found, SB3's own ``load`` warns, builds its
    default network and leaves it with random weights. This refuses instead.

    Args:
        path: the zip, with or without its ending.
        trust: say True for a file whose origin you know: such a zip holds pickled objects, which
            run any code they like when loaded. `load_policy` reads a run directory without that.
        algorithm: SB3's class or ``a2c``, ``ppo`` or ``dqn``; None finds out which of the three.
        env: the environment to go on learning in.
        device: ``auto``, ``cpu`` or ``cuda``.
        **options: passed on to the algorithm's ``load``.

    Returns:
        The model.

    Raises:
        InputError: no such file, not a saved model, not trusted, or not fully loadable.
    """
    file = _find_file(Path(path))
    if not trust:
        told = list_model(file.resolve()).sentence
        raise InputError(
            f"loading {file} unpickles it, which runs any code the file contains ({told}); pass "
            "trust=True if you know where it comes from, or use load_policy(RUN_DIR), which runs "
            "none"
        )
    saved = _read_data(file)
    cls = _choose_algorithm(file, saved, algorithm)
    with warnings.catch_warnings():
        refuse_replacements()
        try:
            model = cls.load(file, env=env, device=device, **options)
        except Exception as error:  # whatever the pickles of a damaged file end in
            raise InputError(f"{file} cannot be loaded as it was saved: {error}") from error
    _check_extractor(file, saved, model)
    return model


def _find_file(path: Path) -> Path:
    for candidate in (path, path.with_name(f"{path.name}.zip")):
        if candidate.is_file():
            return candidate
    raise InputError(f"no saved model at {path}")


def _read_data(file: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(file) as archive:
            data = parse_json(read_member(archive, "data"), f"data in {file}")
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{file} is not a model saved by stable-baselines3: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{file} is not a model saved by stable-baselines3: its data is no object")
    return data


def _choose_algorithm(
    file: Path, saved: dict[str, Any], wanted: type[BaseAlgorithm] | str | None
) -> type[BaseAlgorithm]:
    if isinstance(wanted, type):
        return wanted
    if wanted is not None:
        if wanted not in _STOCK:
            raise unknown_name("algorithm", wanted, _STOCK)
        return _STOCK[wanted]
    found = _recognise_algorithm(saved)
    if found is None:
        raise InputError(
            f"{file} was saved by an algorithm that is none of {', '.join(_STOCK)}; pass its "
            "class, for example algorithm=sb3_contrib.RecurrentPPO"
        )
    return _STOCK[found]


def _recognise_algorithm(saved: dict[str, Any]) -> str | None:
    # The zip does not say which class saved it; each has attributes that no other has.
    policy = saved.get("policy_class")
    if isinstance(policy, dict) and str(policy.get("__module__", "")).startswith("sb3_contrib"):
        return None
    if "exploration_rate" in saved:
        return "dqn"
    if "vf_coef" not in saved or "cg_max_steps" in saved:  # SAC, TD3, ...; TRPO
        return None
    return "ppo" if "clip_range" in saved else "a2c"


def _check_extractor(file: Path, saved: dict[str, Any], model: BaseAlgorithm) -> None:
    """Compare the network with the one that the file names, in plain text and in its pickle."""
    named = (saved.get("policy_kwargs") or {}).get("features_extractor_class")
    if named is None:  # the policy's own default; a class that moved fails with the policy itself
        return
    wanted = (model.policy_kwargs or {}).get("features_extractor_class")
    built = model.policy.features_extractor_class
    if built is not wanted:
        raise InputError(f"{file} was saved with the extractor {named}, but loads with {built}")
