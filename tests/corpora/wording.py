"""How alike the texts of a corpus are."""

import re
from itertools import combinations


def words(text):
    return re.findall(r"\w+", text.casefold())


def largest_overlap(texts):
    """The largest share of 5-grams that two texts have in common, relative to the shorter one."""
    grams = []
    for text in texts:
        tokens = words(text)
        grams.append({tuple(tokens[i : i + 5]) for i in range(len(tokens) - 4)})
    return max(len(a & b) / min(len(a), len(b)) for a, b in combinations(grams, 2))
