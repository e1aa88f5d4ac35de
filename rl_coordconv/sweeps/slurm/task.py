"""A task of an array: ``python -m rl_coordconv.sweeps.slurm.task FOLDER FIRST``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rl_coordconv.training.signals import stop_request


def main(argv: Sequence[str] | None = None) -> int:
    """Train the runs of one task and return the process's exit code.

    Args:
        argv: the submission's folder, and the submission's task that the array's index 0 is; None
            takes this process's.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("first", type=int)
    arguments = parser.parse_args(argv)
    # SLURM asks all processes of a job, and once more at its end. It may do so at once: what takes
    # long to import comes afterwards.
    with stop_request(is_patient=True) as stop:
        from rl_coordconv.sweeps.slurm.working import work

        index = arguments.first + int(os.environ["SLURM_ARRAY_TASK_ID"])
        return work(arguments.folder, index, stop)


if __name__ == "__main__":
    sys.exit(main())
