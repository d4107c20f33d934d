"""Losses: pure functions of named tensors."""
