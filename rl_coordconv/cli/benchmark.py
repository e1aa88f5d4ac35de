"""``rl-coordconv benchmark``: measure against the named peers."""

from __future__ import annotations

import importlib
from typing import Any

from rl_coordconv._util.errors import unknown_name
from rl_coordconv.cli.arguments import parse

SUBJECTS = {
    "layer": "LayerBenchmarkConfig",
    "env": "EnvBenchmarkConfig",
    "train": "TrainBenchmarkConfig",
    "sweep": "SweepBenchmarkConfig",
    "resume": "ResumeBenchmarkConfig",
    "memory": "MemoryBenchmarkConfig",
    "finite": "FiniteBenchmarkConfig",
}
"""Every benchmark and the name of its configuration in ``rl_coordconv.benchmarks.<subject>``."""

HELP = """usage: benchmark SUBJECT ...

subjects:
  layer   CoordConv2d beside plain nn.Conv2d and the concatenating CoordConv
  env     AtariVecEnv beside ale-py's AtariVectorEnv and SB3's make_atari_env
  train   our A2C and PPO beside stable-baselines3's, and the machine's limit
  sweep   listing, going on with and comparing a sweep of hundreds of runs
  resume  a sweep of many interrupted runs, taken up from their checkpoints
  memory  the memory and open files of a long training, watched throughout
  finite  the check for NaN and infinity beside the training that it guards

benchmark SUBJECT --help tells a subject's flags."""


def run(argv: list[str]) -> int:
    """Find the benchmark, parse its flags, and run it."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP)
        return 0
    subject, rest = argv[0], argv[1:]
    if subject not in SUBJECTS:
        raise unknown_name("benchmark", subject, SUBJECTS)
    module = importlib.import_module(f"rl_coordconv.benchmarks.{subject}")
    config: Any = parse(getattr(module, SUBJECTS[subject]), rest, command=f"benchmark {subject}")
    module.main(config)
    return 0
