"""What `bench` measures: scores, baselines, the oracle, suites, and the page that tells."""
