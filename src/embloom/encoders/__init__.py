"""Encoders: named tensors in, named embedding layers out."""
