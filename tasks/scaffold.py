"""From any gold file to a task file that runs at once."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import DataError, OutputError, UsageError
from core.files import write_text
from core.plain import canonical
from core.workspace import HOME
from data.corpus import Corpus, Row, read_corpus
from data.gathered import Columns, gather, gathered, is_gold
from data.leaks import exact_duplicates
from tasks.files import NAME
from tasks.stages import STAGES

CAPS = {"train": 200, "dev": 100, "holdout": 300}
SHARES = {"train": 0.4, "dev": 0.2, "holdout": 0.4}
MIN_ROWS = 10
GATE_ROWS = 20
"""Holdout rows below which a gate promotes nothing by default."""
MAX_LABELS = 200
MAX_LABEL_CHARS = 60


@dataclass(frozen=True)
class Scaffold:
    """A task file that was written, and what a person should know about it."""

    path: Path
    text: str
    notes: tuple[str, ...]
    summary: str = ""


def infer_field(values: Sequence[Any]) -> dict[str, Any]:
    """The specification of a field from its values over all rows; absent and null values do not count."""
    present = [v for v in values if v is not None]
    if not present:
        return {"type": "text"}
    if all(isinstance(v, bool) for v in present):
        return {"type": "boolean"}
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        return {"type": "number"}
    if any(isinstance(v, list) for v in present):
        return _infer_array([item for v in present for item in (v if isinstance(v, list) else [v])], len(present))
    texts = [v if isinstance(v, str) else canonical(v) for v in present]
    if all(_is_date(t) for t in texts):
        return {"type": "date"}
    labels = closed_set(texts)
    return {"type": "categorical", "labels": labels} if labels else {"type": "text"}


def _infer_array(items: Sequence[Any], rows: int) -> dict[str, Any]:
    records = [item for item in items if isinstance(item, Mapping)]
    if records and len(records) == len(items):
        names = list(dict.fromkeys(key for record in records for key in record))
        return {"type": "records", "fields": {n: infer_field([r.get(n) for r in records]) for n in names}}
    labels = closed_set([item if isinstance(item, str) else canonical(item) for item in items])
    return {"type": "array", "item_labels": labels} if labels else {"type": "array"}


def closed_set(texts: Sequence[str]) -> list[str] | None:
    """The distinct values when they look like a closed set: short, few, and seen again and again."""
    counts = Counter(texts)
    if not counts or len(counts) > MAX_LABELS or max(map(len, counts)) > MAX_LABEL_CHARS:
        return None
    repeated = sum(count for count in counts.values() if count > 1)
    if len(counts) > 2 and repeated < 0.8 * len(texts):
        return None
    return sorted(counts)


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text[:10])
    except ValueError:
        return False
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d(?:[T ].*)?", text))


def infer_fields(rows: Sequence[Row]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Input and output specifications of a corpus.

    Raises:
        DataError: If a field name is not an identifier, or one name is both input and output.
    """
    ins = list(dict.fromkeys(name for row in rows for name in row.inputs))
    outs = list(dict.fromkeys(name for row in rows for name in row.gold))
    bad = [name for name in (*ins, *outs) if not re.fullmatch(r"[A-Za-z_]\w*", name)]
    if bad:
        raise DataError(f"field names must be identifiers; received {', '.join(map(repr, bad[:5]))}")
    both = sorted(set(ins) & set(outs))
    if both:
        raise DataError(f"{', '.join(both)} is both an input and a label; rename one of them")
    common = [name for name in ins if all(name in row.inputs for row in rows)]
    inputs = {name: {"type": "text"} for name in common}
    return inputs, {name: infer_field([row.gold.get(name) for row in rows]) for name in outs}


def scaffold(
    name: str,
    gold: Path,
    root: Path,
    columns: Columns | None = None,
    *,
    force: bool = False,
    records: Sequence[Mapping[str, Any]] | None = None,
) -> Scaffold:
    """Write ``configs/NAME.yaml`` for labelled rows, and ``corpora/NAME.jsonl`` where their file is not a corpus yet.

    ``records`` are rows that do not come from a file; ``gold`` is then what they are called.

    Raises:
        UsageError: If the name cannot be a task name, or the task exists and ``force`` is off.
        DataError: If the gold file cannot be used.
        OutputError: If the file cannot be written.
    """
    if not re.fullmatch(NAME, name) or name == "models":
        raise UsageError(f"{name!r} cannot be a task name; use lower-case letters, digits, - and _ (not 'models')")
    path = root / "configs" / f"{name}.yaml"
    if path.exists() and not force:
        raise UsageError(f"{path} exists", hint="choose another name, or add --force to overwrite it")
    corpus, changes = _corpus(name, gold, root, columns or Columns(), records)
    if len(corpus.rows) < MIN_ROWS:
        raise DataError(
            "; ".join([f"{gold}: {len(corpus.rows)} rows are too few to learn from and to prove anything", *changes]),
            hint=f"at least {MIN_ROWS}; from about 100 rows on a lift can be proven",
        )
    inputs, outputs = infer_fields(corpus.rows)
    split, notes = _split(corpus)
    notes = [*changes, *notes, *_thin_labels(corpus)]
    body = {
        "task": name,
        "description": f"{listing(outputs)} from {listing(inputs)}",
        "program": "analyst",
        "instruction": f"Read the {listing(inputs)} and determine the {listing(outputs)}.",
        "inputs": inputs,
        "outputs": outputs,
        "corpus": {"path": relative_to(corpus.path, root)},
        "split": split,
        "optimizer": {"name": "gepa", "budget": "light"},
    }
    head = (
        "# yaml-language-server: $schema=task.schema.json\n"
        f"# Scaffolded from {gold.name} ({len(corpus.rows)} rows). Descriptions of fields and labels help the model:\n"
        "# write them where the names do not say enough, and make the instruction your own.\n"
        "# The embedded model counts, and so learns more from more rows at once: optimizer.minibatch, up to 100.\n"
    )
    text = head + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    if corpus.path != gold:
        _write_rows(corpus, force=force)
    write_task(path, text)
    return Scaffold(path, text, tuple(notes), _summary(corpus, outputs))


def _corpus(
    name: str, gold: Path, root: Path, columns: Columns, records: Sequence[Mapping[str, Any]] | None
) -> tuple[Corpus, tuple[str, ...]]:
    """The rows of a file, at the place where a corpus of them is or will be, and what a person should know."""
    if records is not None:
        found = gathered(records, columns, gold)
        return Corpus(found.rows, root / "corpora" / f"{name}.jsonl"), found.notes
    if not columns.said and is_gold(gold):
        try:
            return read_corpus(gold), ()
        except DataError as error:
            if "duplicate id" not in error.message:
                raise
            found = gather(gold, columns)
            if found.named:
                raise  # somebody wrote these ids, and has to say what they mean
            return Corpus(found.rows, root / "corpora" / f"{name}.jsonl"), found.notes
    found = gather(gold, columns)
    if gold.suffix.lower() == ".csv" and not columns.said:
        with contextlib.suppress(DataError):
            plain = read_corpus(gold)
            if [(r.id, r.inputs, r.gold) for r in plain.rows] == [(r.id, r.inputs, r.gold) for r in found.rows]:
                return plain, found.notes
    return Corpus(found.rows, root / "corpora" / f"{name}.jsonl"), found.notes


def _write_rows(corpus: Corpus, *, force: bool) -> None:
    """Write rows in the form of a corpus."""
    if corpus.path.exists() and not force:
        raise UsageError(f"{corpus.path} exists", hint="choose another name, or add --force to overwrite it")
    lines = []
    for row in corpus.rows:
        about = {"split": row.split, "group": row.group}
        body = {"id": row.id, "input": dict(row.inputs), "label": dict(row.gold)}
        lines.append(json.dumps(body | {k: v for k, v in about.items() if v}, ensure_ascii=False, default=str))
    write_text(corpus.path, "\n".join(lines) + "\n")


def _thin_labels(corpus: Corpus) -> list[str]:
    """Labels that leave nothing to learn: the same for every row."""
    notes: list[str] = []
    for name in dict.fromkeys(name for row in corpus.rows for name in row.gold):
        values = {canonical(row.gold.get(name)) for row in corpus.rows}
        if len(values) == 1:
            notes.append(f"{name} is {values.pop()} in every row: there is nothing to learn in it")
    return notes


def _summary(corpus: Corpus, outputs: Mapping[str, Any]) -> str:
    """The rows in one line: how many, and what is asked of them."""
    asked = []
    for name, field in outputs.items():
        labels = field.get("labels")
        counts = Counter(canonical(row.gold.get(name)).strip('"') for row in corpus.rows)
        often = ", ".join(f"{label} {100 * count / len(corpus.rows):.0f} %" for label, count in counts.most_common(3))
        more = ", ..." if len(counts) > 3 else ""
        asked.append(
            f"{name} ({len(labels)} label{'s' if len(labels) > 1 else ''}: {often}{more})"
            if labels
            else f"{name} ({field['type']})"
        )
    inputs = ", ".join(dict.fromkeys(name for row in corpus.rows for name in row.inputs))
    return f"{len(corpus.rows):,} rows: {inputs} -> {', '.join(asked)}"


def listing(fields: Mapping[str, Any]) -> str:
    """Names of fields as a person would list them."""
    names = [name.replace("_", " ") for name in fields]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def relative_to(path: Path, root: Path) -> str:
    """A path as a task file says it: relative inside the workspace, absolute outside."""
    resolved = path.resolve()
    return str(resolved.relative_to(root.resolve())) if resolved.is_relative_to(root.resolve()) else str(resolved)


def _split(corpus: Corpus) -> tuple[dict[str, Any], list[str]]:
    """A split that runs at once: the rows' own tags where they give enough, capped to sizes that are enough."""
    rows, notes = corpus.rows, []
    section: dict[str, Any] = {}
    tags = Counter(row.split for row in rows if row.split)
    wanted = {name: min(CAPS[name], int(share * len(rows))) for name, share in SHARES.items()}
    usable = bool(tags) and tags["train"] >= 20 and tags["holdout"] >= 20
    if tags and not usable:
        section["tags"] = "ignore"
        notes.append(f"the rows' own split tags are too one-sided to use ({_counts(tags)}); rows are split anew")
    elif tags:
        train = tags["train"] if tags["dev"] else int(tags["train"] * 2 / 3)
        dev = tags["dev"] or tags["train"] - train
        available = {"train": train, "dev": dev, "holdout": tags["holdout"]}
        wanted = {name: max(1, min(CAPS[name], available[name])) for name in CAPS}
        notes.append(f"the rows' own split tags are used ({_counts(tags)})")
    if len(rows) > sum(wanted.values()) or sum(wanted.values()) >= sum(CAPS.values()):
        section["counts"] = wanted
    holdout = section.get("counts", wanted)["holdout"]
    if holdout < GATE_ROWS:
        notes.append(
            f"the holdout has about {holdout} rows, and below {GATE_ROWS} nothing can be promoted; "
            f"about {math.ceil(GATE_ROWS / SHARES['holdout'])} rows would do"
        )
    groups = {row.group for row in rows if row.group}
    if groups and all(row.group for row in rows) and len(groups) < len(SHARES):
        notes.append(
            f"the rows have {len(groups)} groups, which stay together: three splits cannot be made of them; "
            "leave --group out or add groups"
        )
    texts = exact_duplicates(rows)
    if texts:
        section["leaks"] = "drop"
        notes.append(f"{len(texts)} inputs stand more than once; copies outside the holdout are left out (split.leaks)")
    return section, notes


def _counts(tags: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(tags.items()))


def write_task(path: Path, text: str) -> None:
    """Write a task file in one step, so that no reader sees half of it.

    Raises:
        OutputError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as handle:
            handle.write(text)
        os.replace(handle.name, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None


UNJUDGED = (
    ("completeness", 40, "Nothing that belongs in the answer is missing"),
    ("correctness", 40, "Everything in the answer is in the transcript and is told as it was"),
    ("precision", 20, "Higher is better: 100 when nothing is reported that does not belong in the answer"),
)
"""What an answer is judged by where a stage's own task compares with gold: name, weight, description."""
KEPT_OF_STAGE = ("description", "program", "inputs", "outputs", "models", "reference", "prompts", "judge")


def scaffold_stage(name: str, stage: str, rows: Path, root: Path, *, force: bool = False) -> Scaffold:
    """Write ``configs/NAME.yaml``: a stage of this project on transcripts without gold, which a judge scores.

    Raises:
        UsageError: If there is no such stage, the name cannot be one, or the task exists and ``force`` is off.
        OutputError: If the file cannot be written.
    """
    STAGES.get(stage)  # else the mistake says which there are
    if not re.fullmatch(NAME, name) or name == "models":
        raise UsageError(f"{name!r} cannot be a task name; use lower-case letters, digits, - and _ (not 'models')")
    path = root / "configs" / f"{name}.yaml"
    if path.exists() and not force:
        raise UsageError(f"{path} exists", hint="choose another name, or add --force to overwrite it")
    given = yaml.safe_load((HOME / "configs" / f"{stage}.yaml").read_text("utf-8"))
    kept = {key: given[key] for key in KEPT_OF_STAGE if key in given}
    criteria = [{"name": n, "weight": weight, "description": said} for n, weight, said in UNJUDGED]
    body = {
        "task": name,
        "program": stage,
        **kept,
        "corpus": {"source": relative_to(rows, root)},
        "metric": {"name": "judge"},
        "judge": kept.get("judge", {"model": "stand-in/opus", "criteria": criteria}),
    }
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    write_task(path, f"# yaml-language-server: $schema=task.schema.json\n# The stage {stage} on imported rows.\n{text}")
    return Scaffold(path, text, ())
