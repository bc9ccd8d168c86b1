"""Submissions to challenges: described, encoded, packed, checked and verified."""
