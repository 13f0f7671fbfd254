"""Raw files to columns, with the line of whatever cannot be read."""
