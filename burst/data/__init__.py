"""Simulated and recorded samples with their truth."""
