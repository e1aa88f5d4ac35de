"""What the commands do: train, evaluate, watch."""
