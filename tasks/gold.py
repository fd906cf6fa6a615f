"""Whether the gold of a corpus fits the output fields that a task declares."""

from __future__ import annotations

from core.catalog import did_you_mean
from core.errors import Problem
from core.plain import canonical
from data.corpus import Corpus
from metrics.fields import FieldSpec
from tasks.config import TaskConfig


def gold_problems(config: TaskConfig, corpus: Corpus) -> list[Problem]:
    """Outputs that no row has gold for, and gold values that their field cannot hold; nothing for rows without gold."""
    gold = [row for row in corpus.rows if row.gold]
    known = [*dict.fromkeys(name for row in gold for name in row.gold), *corpus.left_out]
    if not known:
        return []
    found: list[Problem] = []
    for name, spec in config.outputs.items():
        if name not in known:
            if config.metric.name == "field_agreement":
                said = f"no row of {corpus.path} has gold for it; the rows have: {', '.join(known)}"
                found.append(
                    Problem(f"task {config.task}", None, f"outputs.{name}", said, did_you_mean(name, corpus.left_out))
                )
            continue
        refused = [(row.id, part) for row in gold if (part := _refused(spec, row.gold.get(name))) is not None]
        if refused:
            row_id, part = refused[0]
            labels = spec.values or getattr(spec, "item_labels", None) or ()
            said = f"{len(refused)} of {len(gold)} rows have another gold value; row {row_id!r} has {part!r}"
            said += f"; labels: {', '.join(labels)}" if labels else ""
            hint = did_you_mean(str(part), labels)
            found.append(Problem(f"task {config.task}", None, f"outputs.{name}", said, hint))
    return found


def _refused(spec: FieldSpec, value: object) -> object | None:
    """What the field cannot hold; a number whose text is one of the labels is meant by that label."""
    part = spec.refused(value)
    return None if part is None or (not isinstance(part, str) and spec.refused(canonical(part)) is None) else part
