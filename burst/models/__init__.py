"""Networks only: tensors in, tensors out; nothing here knows of cameras or stacks."""
