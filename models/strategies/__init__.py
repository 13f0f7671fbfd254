"""Ways to train and read the reasoning steps; one file each."""
