"""Raw files to prepared data sets to arrays."""
