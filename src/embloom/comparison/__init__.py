"""Compares runs: settings, probes, losses, curves, maps of the embeddings."""
