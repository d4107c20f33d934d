"""Probes: measurements on a frozen embedding."""
