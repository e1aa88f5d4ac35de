"""Where the runs of a sweep are trained: on this machine or on a cluster."""

from rl_coordconv.sweeps.backends import local, ray_cluster, slurm
from rl_coordconv.sweeps.backends.spec import (
    BACKENDS,
    BackendSpec,
    find_backend,
    register_backend,
)

for _spec in (local.SPEC, ray_cluster.SPEC, slurm.SPEC):
    register_backend(_spec)

__all__ = ["BACKENDS", "BackendSpec", "find_backend", "register_backend"]
