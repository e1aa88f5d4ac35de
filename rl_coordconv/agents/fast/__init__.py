"""Components of the fast agents: network, rollouts, losses and updates that never wait."""
