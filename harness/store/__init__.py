"""The results folder; only this package reads or writes it."""
