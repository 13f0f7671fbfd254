"""What is being compared; imports nothing from the harness."""
