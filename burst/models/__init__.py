"""Networks only: tensors in, tensors out; nothing here depends on cameras or stacks."""

from burst.lazy import load_on_use

load_on_use(__name__)
