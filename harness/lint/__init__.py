"""Is a printed table of ranking metrics possible? Readers of tables, and what its numbers say of one another."""
