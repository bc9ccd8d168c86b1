"""One file for each suite; its name on the command line is the name of the file."""
