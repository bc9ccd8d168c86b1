"""Pure functions of tensors: no files, no settings, no stages."""
