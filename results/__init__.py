"""The paper's printed numbers (package data)."""
