"""Readers, which make a `Stack` of files, and writers of results."""

from burst.lazy import load_on_use

load_on_use(__name__)
