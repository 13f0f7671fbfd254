"""What trials cost, in operations and in time."""
