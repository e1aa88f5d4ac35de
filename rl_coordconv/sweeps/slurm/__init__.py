"""Sweeps on a SLURM cluster: arrays of batch jobs whose tasks look after themselves."""
