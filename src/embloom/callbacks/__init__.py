"""Callbacks: what happens around the training steps."""
