"""How we judge: comparators against gold, and the evaluation of a program on rows."""
