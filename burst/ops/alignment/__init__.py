"""How frames lie against one another: shift, turn, scale, and dense displacement."""

from burst.lazy import load_on_use

load_on_use(__name__)
