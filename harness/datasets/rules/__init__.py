"""The rules that turn interactions into rows."""
