"""PPO, split by noun; a `Scene` becomes a `Policy`."""
