"""The engine: suites, plans, searches, trials, the store; independent of any particular model."""
