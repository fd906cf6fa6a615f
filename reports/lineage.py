"""A search's candidates as a drawn tree: generations from left to right, each node with its dev score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.blocks import Born, Lineage
from reports.drawn import WIDE, Escape, cut, framed, text

ROW, NODE_WIDTH, NODE_HEIGHT = 54, 62, 26
WIDEST, NARROWEST = 150, 84
"""Columns of a generation: as wide as there is room for, and never so narrow that nodes touch."""

LINES = 20
"""Candidates that the tree shows in a terminal."""


@dataclass(frozen=True)
class Place:
    """Where a candidate stands: its generation and its line."""

    column: int
    row: int


def known_parents(nodes: Sequence[Born]) -> dict[int, tuple[int, ...]]:
    """The parents of each candidate that are drawn as well; one is always made from earlier ones."""
    drawn = {node.index for node in nodes}
    return {node.index: tuple(p for p in node.parents if p in drawn and p < node.index) for node in nodes}


def places(nodes: Sequence[Born], columns: int) -> dict[int, Place]:
    """Where each candidate stands, by its number.

    A candidate stands right of all that it was made from. The first that was made from one goes on in its line, every
    further one begins a new line. Those without any kin fill the lines below, ``columns`` in each.
    """
    parents = known_parents(nodes)
    children: dict[int, list[int]] = {node.index: [] for node in nodes}
    depth: dict[int, int] = {}
    for index in sorted(parents):
        depth[index] = 1 + max((depth[p] for p in parents[index]), default=-1)
        if parents[index]:
            children[parents[index][0]].append(index)
    alone = [i for i in sorted(parents) if not parents[i] and not any(i in of for of in parents.values())]
    found: dict[int, Place] = {}
    lines = 0
    for root in (i for i in sorted(parents) if not parents[i] and i not in alone):
        waiting = [root]
        while waiting:
            index: int | None = waiting.pop()
            while index is not None:
                found[index] = Place(depth[index], lines)
                first, *rest = children[index] or [None]
                waiting += reversed([child for child in rest if child is not None])
                index = first
            lines += 1
    for place, index in enumerate(alone):
        found[index] = Place(place % columns, lines + place // columns)
    return found


def lineage(tree: Lineage, escape: Escape, width: int = WIDE) -> str:
    """The tree; every node is a link to what the candidate changed."""
    wide = width == WIDE
    fitting = max(1, width // (WIDEST if wide else NARROWEST))
    at = places(tree.nodes, fitting)
    generations = 1 + max((place.column for place in at.values()), default=0)
    column = min(WIDEST, max(NARROWEST, width // generations))
    size = (max(width, column * generations), ROW * (1 + max((place.row for place in at.values()), default=0)) + 4)
    middle = {i: (place.column * column + column / 2, place.row * ROW + 18) for i, place in at.items()}
    parents = known_parents(tree.nodes)
    line = _line_of_winner(tree.nodes, parents)
    edges = [
        _edge(middle[parent], middle[index], of_winner=index in line and parent in line, merges=place > 0)
        for index, made_from in parents.items()
        for place, parent in enumerate(made_from)
    ]
    nodes = [_node(node, middle[node.index], int(column / 7) if wide else 0, escape) for node in tree.nodes]
    title = "Candidates with their dev scores; a line leads from what a candidate was made from"
    return framed(*size, title, "".join(edges + nodes), escape)


def legend(tree: Lineage) -> str:
    """What the kinds of nodes mean, of those that are there."""
    kinds = {node.kind for node in tree.nodes}
    said = ["Each node is a candidate with its dev score; click it to see what it changed."]
    said += ["Grey outline: where the search began."] if "seed" in kinds else []
    said += ["Green, thick outline: the winner, with the line that led to it."] if "winner" in kinds else []
    said += ["Yellow: merged from two."] if "merge" in kinds else []
    said += ["Dashed outline: some dev rows have no score."] if not all(n.complete for n in tree.nodes) else []
    return " ".join(said)


def told(node: Born, start: str = "where the search began") -> str:
    """A candidate in words."""
    score = "no score" if node.score is None else f"{node.score:.3f}"
    kin = ", ".join(f"#{parent}" for parent in node.parents)
    how = start if node.index == 0 else f"{node.origin}, from {kin}" if kin else node.origin
    marks = (", the winner" if node.winner else "") + ("" if node.complete else ", incomplete")
    return f"#{node.index}  {score}  {how}{marks}"


def tree_lines(tree: Lineage, width: int) -> tuple[str, ...]:
    """The tree in characters, a line for each candidate under the first that it was made from."""
    parents = known_parents(tree.nodes)
    by_index = {node.index: node for node in tree.nodes}
    children: dict[int | None, list[int]] = {}
    for index in sorted(parents):
        children.setdefault(next(iter(parents[index]), None), []).append(index)
    lines: list[str] = []
    waiting = [(index, 0) for index in reversed(children.get(None, []))]
    while waiting and len(lines) < LINES:
        index, depth = waiting.pop()
        lines.append(cut(f"{'  ' * min(depth, 10)}{told(by_index[index])}", width))
        waiting += [(child, depth + 1) for child in reversed(children.get(index, []))]
    more = len(tree.nodes) - len(lines)
    return (*lines, f"{more} more on the page") if more else tuple(lines)


def _line_of_winner(nodes: Sequence[Born], parents: Mapping[int, tuple[int, ...]]) -> set[int]:
    """The winner and everything that it was made from."""
    found: set[int] = set()
    waiting = [node.index for node in nodes if node.winner]
    while waiting:
        index = waiting.pop()
        found.add(index)
        waiting += [parent for parent in parents[index] if parent not in found]
    return found


def _edge(start: tuple[float, float], end: tuple[float, float], *, of_winner: bool, merges: bool) -> str:
    (x1, y1), (x2, y2) = (start[0] + NODE_WIDTH / 2, start[1]), (end[0] - NODE_WIDTH / 2, end[1])
    turn = (x1 + x2) / 2
    kind = f"edge{' won' if of_winner else ''}{' merging' if merges else ''}"
    return f'<path class="{kind}" d="M{x1:.1f},{y1:.1f}C{turn:.1f},{y1:.1f} {turn:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"/>'


def _node(node: Born, middle: tuple[float, float], length: int, escape: Escape) -> str:
    x, y = middle
    box = (
        f'<rect x="{x - NODE_WIDTH / 2:.1f}" y="{y - NODE_HEIGHT / 2:.1f}" width="{NODE_WIDTH}" '
        f'height="{NODE_HEIGHT}" rx="{NODE_HEIGHT / 2:g}"/>'
    )
    score = "-" if node.score is None else f"{node.score:.3f}"
    how = "merge" if len(node.parents) > 1 else node.origin
    name = f"#{node.index} {how}"
    name = name if len(name) <= length else f"#{node.index}"
    kind = node.kind + ("" if node.complete else " partly")
    return (
        f'<a class="born {kind}" href="#candidate-{node.index}"><title>{escape(told(node))}</title>{box}'
        f"{text(x, y + 5, score, anchor='middle')}{text(x, y + 28, escape(name), anchor='middle', style='soft')}</a>"
    )
