"""The command line ``rl-coordconv COMMAND ...``; the files in ``scripts/`` are doors to it."""

from rl_coordconv.cli.main import main

__all__ = ["main"]
