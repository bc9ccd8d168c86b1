"""Benchmarks: scores, baselines, oracles, suites, and the page of results."""
