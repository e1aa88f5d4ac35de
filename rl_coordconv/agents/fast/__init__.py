"""What the fast agents are made of: network, rollouts, losses and updates that never wait."""
