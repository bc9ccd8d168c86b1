"""Point spread functions: what makes them, how strong they are, and how they are undone."""
