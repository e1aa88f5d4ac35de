"""The command line ``rl-coordconv COMMAND ...``; ``scripts/`` holds thin wrappers."""

from rl_coordconv.cli.main import main

__all__ = ["main"]
