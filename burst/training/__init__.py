"""How networks learn: recipes, batches, losses, the loop."""
