"""Training of networks: recipes, batches, losses, the loop."""
