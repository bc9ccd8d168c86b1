"""Submissions to challenges: described, encoded, packed, checked and verified."""

from burst.lazy import load_on_use

load_on_use(__name__)
