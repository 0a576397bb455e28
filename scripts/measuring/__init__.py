"""What ``scripts/measure`` runs: each figure beside a limit of the machine or a peer, taken in the same call."""
