"""Pure functions of tensors: no files, no settings, no stages."""

from burst.lazy import load_on_use

load_on_use(__name__)
