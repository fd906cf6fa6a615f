"""The search of a run: how the score went, what was made from what, and which rows each candidate solves."""

from __future__ import annotations

import difflib
from statistics import fmean, pvariance

from core.candidate import Candidate, ProgramPrompts
from core.optimization import Optimization
from reports.blocks import Block, Born, CurveChart, Diff, GridChart, Heading, Lineage, Paragraph, Table, shorten
from reports.deciding import CURRENT
from reports.numbers import counted

DIFF_LINES, LINE_CHARS = 60, 300
PAGE_CHARS = 250_000
"""Of all candidates' changes together; later ones beyond it are left out."""
MOST_ROWS, MOST_CANDIDATES = 120, 40


def search_blocks(o: Optimization) -> list[Block]:
    """The section of a report on the search."""
    points = tuple((c.index, c.dev_score) for c in o.candidates if c.dev_score is not None)
    best: list[tuple[int, float]] = []
    for index, score in points:
        best.append((index, max(score, best[-1][1]) if best else score))
    evidence = o.verdict.evidence
    levels = (("holdout before", evidence.baseline), ("holdout tuned", evidence.candidate)) if evidence else ()
    return [
        Heading("Search"),
        Paragraph(_told(o)),
        CurveChart(points, tuple(best), levels, "candidate", "dev score"),
        Lineage(_nodes(o)),
        *_grid(o),
        *_beliefs(o),
    ]


def _beliefs(o: Optimization) -> list[Block]:
    """What the search believes of its candidates, best first; nothing where its optimiser has no belief."""
    known = [(c, c.belief) for c in o.candidates if c.belief is not None]
    if not known:
        return []
    rows = tuple(
        (
            f"#{c.index}{' (chosen)' if b.picked else ''}",
            c.found,
            f"{b.lift:+.3f}",
            f"{b.low:+.3f} to {b.high:+.3f}",
            f"{b.better:.1%}",
            "" if b.edit is None else f"{b.edit:+.3f}",
            str(b.rows),
        )
        for c, b in sorted(known, key=lambda pair: -pair[1].lift)
    )
    head = ("candidate", "made by", "lift", "95 % interval", "better than the start", "its edit", "own rows")
    return [
        Heading("What the search believes"),
        Paragraph(
            "From all scores of all candidates: relatives share what is known of the edits they share. The lifts are "
            "drawn towards zero as far as the evidence is thin; the holdout decides all the same."
        ),
        Table(head, rows, (2, 3, 4, 5, 6)),
    ]


def _told(o: Optimization) -> str:
    winner, first = o.candidates[o.winner_index], o.candidates[0]
    start = o.had_to_beat or CURRENT
    if winner.index == 0:
        return f"{counted(len(o.candidates), 'candidate')} on {o.splits.dev} dev rows; none did better than {start}."
    return (
        f"{counted(len(o.candidates), 'candidate')} on {o.splits.dev} dev rows. The best is #{winner.index} "
        f"({winner.found}): {_score(winner)}; {start} has {_score(first)}."
    )


def _score(candidate: Candidate) -> str:
    return "no score" if candidate.dev_score is None else f"{candidate.dev_score:.3f}"


def _nodes(o: Optimization) -> tuple[Born, ...]:
    by_index = {c.index: c for c in o.candidates}
    room = PAGE_CHARS
    nodes = []
    for c in o.candidates:
        made_from = [by_index[p] for p in c.parents if p in by_index and p < c.index]
        against = made_from or ([o.candidates[0]] if c.index else [])
        changes = tuple(change for parent in against for change in changed(parent, c))
        room -= sum(len(text) + 20 for change in changes for _, text in change.lines)
        shown = changes if room >= 0 else ()
        nodes.append(Born(c.index, c.dev_score, c.found, c.parents, c.index == o.winner_index, c.complete, shown))
    return tuple(nodes)


def changed(old: Candidate, new: Candidate) -> tuple[Diff, ...]:
    """What a candidate has changed in each predictor's prompt, with a line of context around each change."""
    before = {prompt.predictor: prompt.text for prompt in old.prompts.prompts}
    found = []
    for prompt in new.prompts.prompts:
        lines = _lines(before.get(prompt.predictor, ""), prompt.text)
        if lines:
            title = f"{prompt.predictor}: against #{old.index}"
            found.append(Diff(title, tuple(lines[:DIFF_LINES]), max(0, len(lines) - DIFF_LINES)))
    return tuple(found)


def _lines(before: str, after: str) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[2:]:
        if not line.startswith("@@"):
            lines.append((line[:1] or " ", shorten(line[1:], LINE_CHARS)))
        elif lines:
            lines.append((" ", "…"))
    return lines


def winners_changes(before: ProgramPrompts, after: ProgramPrompts, most: int, chars: int) -> list[tuple[str, Diff]]:
    """Every predictor's name with its whole prompt as a diff, unchanged lines among it."""
    old = {prompt.predictor: prompt.text for prompt in before.prompts}
    found = []
    for prompt in after.prompts:
        compared = difflib.ndiff(old[prompt.predictor].splitlines(), prompt.text.splitlines())
        lines = [(line[0], shorten(line[2:], chars)) for line in compared if line[0] in "+- "]
        found.append((prompt.predictor, Diff(prompt.predictor, tuple(lines[:most]), max(0, len(lines) - most))))
    return found


def _grid(o: Optimization) -> list[Block]:
    """Candidates against dev rows; the rows that tell candidates apart where there are too many to draw."""
    scored = [c for c in o.candidates if c.dev_scores]
    ids = sorted({row for c in scored for row in c.dev_scores})
    if len(scored) < 2 or not ids:
        return []
    values = {row: [c.dev_scores[row] for c in scored if row in c.dev_scores] for row in ids}
    told_apart = sorted(ids, key=lambda row: -pvariance(values[row]))[:MOST_ROWS]
    rows = sorted(told_apart, key=lambda row: fmean(values[row]))
    best = sorted(scored, key=lambda c: (c.index not in (0, o.winner_index), -(c.dev_score or 0.0)))
    shown = sorted(best[:MOST_CANDIDATES], key=lambda c: c.index)
    lines = tuple(
        (f"#{c.index}{' winner' if c.index == o.winner_index else ''}", tuple(c.dev_scores.get(row) for row in rows))
        for c in shown
    )
    return [Paragraph(_left_out(len(ids), len(rows), len(scored), len(shown))), GridChart(tuple(rows), lines)]


def _left_out(rows: int, drawn: int, candidates: int, shown: int) -> str:
    said = "A square is a candidate's score on a dev row. Faint in every line: a row that none of them solves."
    said += f" Of {rows} rows these are the {drawn} that differ most." if drawn < rows else ""
    return said + (f" Of {candidates} candidates these are the best {shown}." if shown < candidates else "")
