"""How a table is written: Markdown, LaTeX, CSV and JSON."""
