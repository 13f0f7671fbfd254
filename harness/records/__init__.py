"""What is written down of a trial: its spec and key, its result, what it was made with."""
