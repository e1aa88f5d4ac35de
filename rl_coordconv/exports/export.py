"""Write an agent as ONNX, with its contract beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from stable_baselines3.common.policies import ActorCriticPolicy

from rl_coordconv._util.files import write_bytes, write_json
from rl_coordconv.exports.contract import describe_export
from rl_coordconv.exports.onnx_file import OnnxPolicy, to_onnx
from rl_coordconv.training.evaluate import LoadedAgent


@dataclass(frozen=True)
class Export:
    """What was written."""

    path: Path
    contract: Path
    policy: OnnxPolicy


def contract_path(path: Path) -> Path:
    """Return where the contract of an ONNX file lies: ``policy.onnx.json`` of ``policy.onnx``."""
    return path.with_name(f"{path.name}.json")


def export_onnx(agent: LoadedAgent, path: Path) -> Export:
    """Write an agent's policy as ONNX, and its contract; each appears whole or not at all.

    Args:
        agent: loaded on the CPU.
        path: the ONNX file.

    Raises:
        InputError: as `to_onnx`, or a link or a directory stands in the place of a file.
    """
    exported = to_onnx(cast(ActorCriticPolicy, agent.policy))
    contract = describe_export(agent, exported, path.name)
    write_bytes(path, exported.content)
    # Last: where a contract stands, the file that it tells of does.
    write_json(contract_path(path), contract)
    return Export(path, contract_path(path), exported)
