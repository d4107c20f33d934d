"""How raw inputs become tensors, a kind a file."""
