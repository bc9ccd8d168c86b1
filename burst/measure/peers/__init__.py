"""Methods that burst is compared with: averages, published recipes, other programs, oracles."""
