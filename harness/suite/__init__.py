"""Suite files, from YAML to a validated suite."""
