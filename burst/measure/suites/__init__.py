"""One file per suite; its name on the command line is its file's name."""
