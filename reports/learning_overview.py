"""The page over all learning keys: how each moves, what changed since an earlier report, and the conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.blocks import Banner, Block, Commands, Facts, Heading, IntervalChart, Paragraph, Report, Table
from reports.learning_page import SHOWN, standing
from reports.numbers import UNKNOWN, counted, number, percent, signed, span

if TYPE_CHECKING:  # a page of a run is written without the database of sessions
    from playbook.manifest import Manifest, RunMetadata
    from playbook.summary import KeySummary

TITLES = {"Improved": "improved", "Declined": "declined", "No change shown": "without a change shown",
          "Cannot tell": "cannot be told"}  # fmt: skip


def learning_overview(summaries: Sequence[KeySummary], manifest: Manifest) -> Report:
    """The page over all keys: how each moves, what changed since an earlier report, and the conditions."""
    rows = tuple(
        (
            one.key, f"{one.sessions:,}", number(one.momentum.recent.mean), number(one.momentum.baseline.mean),
            signed(one.momentum.delta), span(one.momentum.low, one.momentum.high, sign=True),
            percent(one.curve.solved[-1]) if one.curve else UNKNOWN, percent(one.usage.adoption_rate),
            str(sum(impact.audit for impact in one.impacts)),
        )
        for one in summaries
    )  # fmt: skip
    heads = (
        "learning key", "sessions", "recent mean", "baseline mean", "difference", "95 % interval", "solved", "adoption",
        "entries with negative impact",
    )  # fmt: skip
    blocks: list[Block] = [
        _overall(summaries),
        Heading("Next"),
        Commands(
            (
                ("python cli.py report-learning --compare-to INDEX", "see what has changed since an earlier report"),
                ("python cli.py playbook list --key KEY", "read the entries of a key"),
            )
        ),
        Heading("Learning keys"),
        Table(heads, rows, tuple(range(1, 9)), filterable=len(rows) > SHOWN),
    ]
    blocks += _controls(summaries)
    if manifest.aggregate:
        boards = [(name, board) for name, board in manifest.aggregate.items() if board]
        blocks.append(Heading("Since the earlier report"))
        blocks.append(
            Table(
                ("leaderboard", "learning key", "delta"),
                tuple((name.replace("_", " "), key, signed(delta)) for name, board in boards for key, delta in board),
                (2,),
            )
        )
    if manifest.missing:
        blocks.append(Paragraph(f"Not in the earlier report: {', '.join(manifest.missing)}."))
    blocks += [Heading("Conditions"), _conditions(manifest.run_metadata, manifest.compared_to)]
    return Report("Learning report", tuple(blocks))


def _overall(summaries: Sequence[KeySummary]) -> Banner:
    words = Counter(standing(one).title for one in summaries)
    told = ", ".join(f"{words[word]} {said}" for word, said in TITLES.items() if words[word])
    sentence = f"Rewards of the last sessions against those before: {told or 'none'}."
    return Banner(counted(len(summaries), "learning key"), sentence, "note")


def _controls(summaries: Sequence[KeySummary]) -> list[Block]:
    found = [(one.key, one.control_key, one.control) for one in summaries if one.control is not None]
    if not found:
        return []
    rows = tuple(
        (key, control, each.measure, str(each.tasks), number(each.first), number(each.second), signed(each.delta),
         span(each.low, each.high, sign=True), f"{each.holm:.3g}", "gain shown" if each.shown else "not shown")
        for key, control, each in found
    )  # fmt: skip
    heads = (
        "learning key", "control", "measure", "tasks", "control", "key", "difference", "95 % interval", "p (Holm)", "",
    )  # fmt: skip
    drawn = tuple(
        (key, each.delta, each.low, each.high)
        for key, _, each in found
        if each.delta is not None and each.low is not None and each.high is not None
    )
    blocks: list[Block] = [Heading("Against a control, on the same tasks"), Table(heads, rows, (3, 4, 5, 6, 8))]
    return [*blocks, IntervalChart(drawn)] if drawn else blocks


def _size(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _conditions(about: RunMetadata, before: RunMetadata | None) -> Facts:
    def told(one: RunMetadata) -> dict[str, str]:
        return {
            "prompt variant": one.prompt_variant or UNKNOWN,
            "synthesis models": ", ".join(one.synthesis_models) or UNKNOWN,
            "pamphlet injection": one.pamphlet_injection or UNKNOWN,
            "entry labels": ", ".join(f"{name}: {label}" for name, label in one.playbook_entry_labels.items())
            or "none",
            "filters": "; ".join(f"{name} {', '.join(values)}" for name, values in one.filters.items()) or "none",
            "windows": ", ".join(f"{name} {_size(size)}" for name, size in one.windows.items()),
            "evaluated at": one.evaluated_at,
        }

    now, then = told(about), told(before) if before else {}
    return Facts(tuple(
        (name, value if then.get(name, value) == value else f"{value} (before: {then[name]})")
        for name, value in now.items()
    ))  # fmt: skip
