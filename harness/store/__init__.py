"""Results on disk; the only place that reads or writes them."""
