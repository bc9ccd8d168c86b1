"""Training samples: how they are drawn, made and kept."""
