"""Policies in forms that other programs run."""
