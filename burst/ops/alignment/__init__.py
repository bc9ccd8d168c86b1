"""How frames lie against one another: shift, turn, scale, and dense displacement."""
