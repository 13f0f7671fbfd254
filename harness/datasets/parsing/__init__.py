"""Raw files to columns, with the lines that cannot be read."""
