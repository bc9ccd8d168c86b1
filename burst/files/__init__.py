"""Readers, which make a `Stack` of files, and writers of results."""
