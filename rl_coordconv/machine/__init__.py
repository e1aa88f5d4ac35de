"""The machine: its hardware, its devices, and what a result says of where it comes from."""
