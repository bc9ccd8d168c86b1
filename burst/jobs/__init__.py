"""Runs on files: one stack after another, in processes or on a cluster, each into a folder."""
