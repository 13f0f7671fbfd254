"""One trial: built, trained, evaluated."""
