"""The marks of a drawing's first plot."""

from __future__ import annotations

from typing import TypeVar

from burst.report.plot import Drawing

Kind = TypeVar("Kind")


def marks_of(drawing: Drawing, kind: type[Kind]) -> list[Kind]:
    """Return the marks of one kind."""
    return [mark for mark in drawing.plots[0].marks if isinstance(mark, kind)]
