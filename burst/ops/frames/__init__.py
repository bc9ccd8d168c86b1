"""Which frames of a stack show the scene, how sharply and how brightly."""
