"""Tables and the renderers that print them; imports neither torch nor ray."""
