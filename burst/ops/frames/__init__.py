"""Which frames of a stack show the scene, how sharp and how bright they are."""
