"""Measurements against named peers, alternately in one run."""
