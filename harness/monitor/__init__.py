"""What a run does, for whoever watches it."""
