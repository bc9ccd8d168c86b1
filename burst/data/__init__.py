"""Simulated and recorded training samples and stacks, with their truth."""
