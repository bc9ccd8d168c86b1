"""Readers and writers: what is on disk becomes a `Stack`, and a restored image becomes files."""
