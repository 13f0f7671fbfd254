"""Tables from results, and their renderers; imports neither torch nor ray."""
