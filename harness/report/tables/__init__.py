"""Tables of a report, one module a table: what each holds, without its looks."""
