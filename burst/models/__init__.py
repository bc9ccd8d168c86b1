"""Networks only: tensors in, tensors out; nothing here depends on cameras or stacks."""
