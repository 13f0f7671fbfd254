"""From a suite to trials: cells, searches, the queue."""
