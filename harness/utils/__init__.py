"""What every room uses: errors, text, files, the lock, YAML with positions, registries, seeds."""
