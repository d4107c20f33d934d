"""Datasets: splits of named columns."""
