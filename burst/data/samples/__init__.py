"""Training samples: how they are drawn, made and kept."""

from burst.lazy import load_on_use

load_on_use(__name__)
