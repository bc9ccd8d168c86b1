"""Benchmarks: scores, baselines, oracles, suites, and the page of results."""

from burst.lazy import load_on_use

load_on_use(__name__)
