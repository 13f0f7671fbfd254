"""Stored records of a trial: its spec and key, its result, its provenance."""
