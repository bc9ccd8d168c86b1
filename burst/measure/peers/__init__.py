"""Methods that burst is compared with: averages, published recipes, other programs, oracles."""

from burst.lazy import load_on_use

load_on_use(__name__)
