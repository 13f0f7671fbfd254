"""What inference and training cost, measured: `rearec-bench profile`."""
