"""Training of networks: recipes, batches, losses, the loop."""

from burst.lazy import load_on_use

load_on_use(__name__)
