"""The SLURM backend: runs are handed to a cluster's scheduler, which begins and requeues them."""

from rl_coordconv.sweeps.backends.spec import BackendSpec
from rl_coordconv.sweeps.slurm.options import DEFAULTS
from rl_coordconv.sweeps.slurm.submit import submit

SPEC = BackendSpec("slurm", DEFAULTS, submit=submit)
