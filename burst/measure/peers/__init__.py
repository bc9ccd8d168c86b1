"""What ours is measured beside: averages, recipes, other programs, and an oracle."""
