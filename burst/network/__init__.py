"""Networks as files: cards, checkpoints, what they are given, and how stages call them."""
