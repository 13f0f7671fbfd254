"""The suite files that ship with the package."""
