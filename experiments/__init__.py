"""How we compare: the prompt x model matrix."""
