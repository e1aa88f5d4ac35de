"""The batch script of a submission, and the sbatch command of each of its arrays."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import rl_coordconv
from rl_coordconv._util.errors import InputError
from rl_coordconv.sweeps.slurm.options import SAVE_SECONDS, SlurmOptions
from rl_coordconv.sweeps.slurm.submissions import Array

SCRIPT = "job.sh"
_SHEBANG = "#!/bin/bash\n"


def batch_script(folder: Path, template: str | None) -> str:
    """Return the script that every task of a submission runs.

    Args:
        folder: the submission's.
        template: lines of a user's own, which come first: ``#SBATCH`` lines and commands that
            prepare a job's environment.
    """
    own = template or ""
    if own.startswith("#!"):
        shebang, _, own = own.partition("\n")
        shebang += "\n"
    else:
        shebang = _SHEBANG
    if own and not own.endswith("\n"):
        own += "\n"
    package = shlex.quote(str(Path(rl_coordconv.__file__).resolve().parents[1]))
    command = shlex.join([sys.executable, "-m", "rl_coordconv.sweeps.slurm.task", str(folder)])
    return (
        f"{shebang}{own}"
        f"export PYTHONPATH={package}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "# In the shell's place, because the signal to save reaches that process alone.\n"
        f'exec {command} "$1"\n'
    )


def sbatch_command(
    folder: Path, array: Array, options: SlurmOptions, *, after: str | None = None
) -> list[str]:
    """Return the command that submits one array.

    Everything stands on the command line, where neither a template nor the environment can
    overrule it.

    Args:
        folder: the submission's.
        array: which.
        options: what each task gets.
        after: the number of an array that has to end before this one begins.
    """
    asked = {
        "partition": options.partition,
        "time": options.time,
        "account": options.account,
        "dependency": f"afterany:{after}" if after is not None else None,
        "gres": f"gpu:{options.gpus}" if options.gpus else None,
    }
    at_a_time = options.tasks_at_a_time
    return [
        "sbatch",
        "--parsable",
        f"--job-name={array.job_name}",
        f"--array=0-{array.size - 1}" + (f"%{at_a_time}" if at_a_time else ""),
        "--requeue",
        "--open-mode=append",
        # Without B: it would go to steps that srun has begun, and there are none.
        f"--signal=B:TERM@{SAVE_SECONDS}",
        f"--output={_log_pattern(folder)}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={options.cpus}",
        *(f"--{name}={value}" for name, value in asked.items() if value is not None),
        str(folder / SCRIPT),
        str(array.first),
    ]


def _log_pattern(folder: Path) -> str:
    """Return where the tasks' words go, as sbatch takes it.

    Raises:
        InputError: sbatch could not be told that directory's name.
    """
    if "\\" in str(folder):
        raise InputError(f"sbatch takes no backslash in the name of a directory, as in {folder}")
    return f"{str(folder).replace('%', '%%')}/%A_%a.log"
