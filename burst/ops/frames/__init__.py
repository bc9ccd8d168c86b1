"""Which frames of a stack show the scene, how sharp and how bright they are."""

from burst.lazy import load_on_use

load_on_use(__name__)
