"""Everything computed after the fact from stored results; imports neither torch nor ray."""
