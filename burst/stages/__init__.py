"""One file per stage; its name in a pipeline is its file's name."""
