"""Shared by all packages: errors, text, files, the lock, YAML with positions, registries, seeds."""
