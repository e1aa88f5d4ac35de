"""From runs on disk to figures and tables."""
