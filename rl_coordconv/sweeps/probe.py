"""The probe process, which finds each arm's precision: ``python -m rl_coordconv.sweeps.probe``.

It runs where the runs will be trained, with their threads. A process of its own, because a kernel
that is wrong may also end the process.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_coordconv._util.files import write_json
from rl_coordconv._util.reading import read_json
from rl_coordconv.runs import RunConfig
from rl_coordconv.runs.precision import Finding
from rl_coordconv.training.setup import agent_in_one_env
from rl_coordconv.training.trust import import_named_code

_SECONDS = 600.0


def find_precisions(
    configs: Sequence[dict[str, Any]], environment: Mapping[str, str], *, trust: bool = False
) -> list[dict[str, Any]]:
    """Find the precision that ``auto`` takes for some runs on this machine.

    Args:
        configs: configurations of runs, as plain data.
        environment: of the process.
        trust: as for `worker.command`.

    Returns:
        A `Finding` of each arm, as plain data; fp32, with what happened, where it failed.
    """
    with tempfile.TemporaryDirectory(prefix="rl-coordconv-precisions-") as folder:
        asked, answered = Path(folder) / "configs.json", Path(folder) / "findings.json"
        write_json(asked, list(configs))
        command = [sys.executable, "-m", __name__, str(asked), str(answered), *["--trust"] * trust]
        try:
            result = subprocess.run(command, env=dict(environment), capture_output=True,
                                    text=True, errors="replace", stdin=subprocess.DEVNULL,
                                    timeout=_SECONDS, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            return [_nothing_found(config, "it took too long") for config in configs]
        if result.returncode == 0 and answered.is_file():
            found: list[dict[str, Any]] = read_json(answered)
            return found
        last = (result.stderr.strip().splitlines() or ["without a word"])[-1]
        words = f"its process ended with exit code {result.returncode}: {last}"
        return [_nothing_found(config, words) for config in configs]


def _nothing_found(config: dict[str, Any], words: str) -> dict[str, Any]:
    return Finding(
        machine=platform.node(),
        agent=config["agent"],
        extractor=config["extractor"],
        precision="fp32",
        reason=f"bf16 could not be checked: {words}",
    ).model_dump(mode="json")


def one_of_each_arm(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """Leave out runs whose networks are like another's: they differ in seed or Atari game only."""
    found: dict[tuple[str, ...], RunConfig] = {}
    for config in configs:
        images = repr(config.environment.spaces(config.protocol))
        extractor, options = config.network
        network = repr(sorted(options.items()))
        found.setdefault((config.agent, extractor, network, images), config)
    return list(found.values())


def main(argv: Sequence[str]) -> int:
    """Read configurations from one file and write findings into another."""
    configs = [RunConfig.build(**config) for config in read_json(Path(argv[0]))]
    if "--trust" in argv:
        for config in configs:
            import_named_code(config)
    write_json(Path(argv[1]), [one.model_dump(mode="json") for one in _findings(configs)])
    return 0


def _findings(configs: Sequence[RunConfig]) -> Iterator[Finding]:
    for config in configs:
        try:
            name, reason = _choose(config)
        except Exception as error:  # the run itself will fail of it, and say so
            words = (str(error).splitlines() or [""])[0]
            name, reason = "fp32", f"bf16 could not be checked: {type(error).__name__}: {words}"
        yield Finding(
            machine=platform.node(),
            agent=config.agent,
            extractor=config.extractor,
            precision=name,
            reason=reason,
        )


def _choose(config: RunConfig) -> tuple[Any, str]:
    """Build the run's agent with a single environment and ask it."""
    with agent_in_one_env(config) as model:
        chosen = model.chosen_precision
    return chosen.name, chosen.reason


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
