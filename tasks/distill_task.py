"""Distillation as data: a teacher's frozen verdicts as gold, and the task that tunes a student towards them."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from core.catalog import did_you_mean
from core.errors import ConfigError, DataError, Problem, UsageError
from core.evaluation import Judgement
from core.plain import canonical
from data.corpus import Corpus, Row, parse_jsonl, read_corpus
from data.leaks import find_duplicates
from data.splits import SplitSection, make_splits
from metrics.comparators import Categorical, SetJaccard
from metrics.field_agreement import FieldAgreement, FieldRule
from tasks.config import TaskConfig
from tasks.scaffold import MAX_LABEL_CHARS, MAX_LABELS, infer_field, infer_fields, listing, write_task

MINIBATCH = 20
"""Rows per reflection, at most."""
MARK = "# unedited: "
Comparator = Callable[[Any, Any], float | Judgement]
"""(gold label, produced label) -> agreement in [0, 1], alone or with its fields and feedback."""


# Gold


def load_gold_scenarios(path: str | Path) -> tuple[Row, ...]:
    """Read gold rows, one ``{scenarioId | id, input, label, split?}`` per line; ids stay as they are, colons included.

    Raises:
        DataError: With every mistake and its ``file:line``: a missing id, input or label, a duplicate id, an unknown
            split, no rows at all.
    """
    return read_corpus(Path(path), require_ids=True).rows


def parse_gold_jsonl(text: str, source: str = "gold") -> tuple[Row, ...]:
    """Read gold rows from a text; mistakes are reported as ``source:line``.

    Raises:
        DataError: As :func:`load_gold_scenarios`.
    """
    return parse_jsonl(text, source, require_ids=True).rows


@dataclass(frozen=True)
class GoldSplit:
    """What a student may learn from, and what it is judged on. Dev is carved from ``train`` later."""

    train: tuple[Row, ...]
    test: tuple[Row, ...]


def split_gold(rows: Sequence[Row], test_every_nth: int = 4) -> GoldSplit:
    """Split gold by its own tags; of the untagged rows every N-th, the first included, is for the test.

    Raises:
        UsageError: If ``test_every_nth`` is not an integer of at least 2.
        DataError: If one side is empty.
    """
    if isinstance(test_every_nth, bool) or not isinstance(test_every_nth, int) or test_every_nth < 2:
        raise UsageError(f"--test-every-nth: received {test_every_nth!r}; it must be an integer of at least 2")
    untagged = [row.id for row in rows if row.split is None]
    tested = {row_id for index, row_id in enumerate(untagged) if index % test_every_nth == 0}
    test = tuple(row for row in rows if row.split == "holdout" or row.id in tested)
    train = tuple(row for row in rows if row.split != "holdout" and row.id not in tested)
    if not test or not train:
        side, lacking = ("train", "to judge on") if train else ("test", "to learn from")
        raise DataError(
            f"all {len(rows)} gold rows are on the {side} side, so there is nothing {lacking}",
            hint="tag some rows with the other split (train, test), or leave some untagged",
        )
    return GoldSplit(train, test)


# Agreement


def field_agreement(*, categorical: Iterable[str] = (), array: Iterable[str] = ()) -> Comparator:
    """Compare labels field by field: equality for categorical fields, Jaccard for arrays, unweighted mean of all.

    A field named in both is an array. Values are equal when their canonical JSON is: ``1`` is ``1.0``, ``True`` is not
    ``1``, ``null`` is not absent, the order of keys does not matter.

    Raises:
        ValueError: If no field is named.
    """
    arrays = tuple(dict.fromkeys(array))
    rules = [FieldRule(name, Categorical()) for name in dict.fromkeys(categorical) if name not in arrays]
    metric = FieldAgreement((*rules, *(FieldRule(name, SetJaccard()) for name in arrays)))

    def compare(gold: Any, produced: Any) -> Judgement:
        return metric.judge(Row("", {}, gold), produced)

    return compare


@dataclass(frozen=True)
class AgreementJudge:
    """A metric out of any comparator of labels."""

    comparator: Comparator
    name: str = "agreement"

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Compare a produced label with the row's gold label; the score is repeated as the field ``agreement``.

        Raises:
            ValueError: If the comparator returns anything outside [0, 1].
        """
        found = self.comparator(row.gold, prediction)
        fields = dict(found.fields) if isinstance(found, Judgement) else {}
        score = found.score if isinstance(found, Judgement) else float(found)
        if not (math.isfinite(score) and 0.0 <= score <= 1.0):
            raise ValueError(f"out-of-range agreement {score!r} for row {row.id!r}; a comparator stays in [0, 1]")
        text = f"agreement {score:.3f}"
        if fields:
            weakest = min(fields, key=lambda name: fields[name])
            text += f"; weakest field {weakest!r} ({fields[weakest]:.3f})"
        details = f"\n{found.feedback}" if isinstance(found, Judgement) and found.feedback else ""
        return Judgement(score, {"agreement": score, **fields}, text + details)


def build_agreement_judge(comparator: Comparator) -> AgreementJudge:
    """A metric that scores a produced label by a comparator of your own, or by :func:`field_agreement`."""
    return AgreementJudge(comparator)


# The task


@dataclass(frozen=True)
class DistillSpec:
    """What a person says about a distillation beside the gold.

    ``baseline`` is the text of the student's prompt; the optimiser model is ``offline/large`` for an offline student
    and the student itself otherwise. ``gate`` is left to the task's default when None. ``metric`` is a metric of one's
    own, ``module:Name``, that compares a label with the teacher's; field agreement when None.
    """

    model: str = "offline/small"
    optimizer_model: str | None = None
    baseline: str | None = None
    generations: int = 3
    population: int = 4
    reps: int = 1
    categorical: tuple[str, ...] = ()
    array: tuple[str, ...] = ()
    optimizer: str = "gepa"
    delta: float = 0.0
    test_every_nth: int = 4
    gate: str | None = None
    seed: int = 0
    transfer: tuple[str, ...] = ()
    metric: str | None = None

    @property
    def reflector(self) -> str:
        """Which model writes better prompts."""
        return self.optimizer_model or ("offline/large" if self.model.startswith("offline/") else self.model)


def rollout_budget(generations: int, population: int, train: int, dev: int) -> int:
    """Program runs that a search of so many generations may spend: ``dev + G * P * (2 * minibatch + dev)``.

    The seed runs on dev once; each of the ``generations * population`` proposals runs on a minibatch of
    ``min(20, train)`` rows, its parent runs on the same rows, and then it runs on dev. A proposal that does not improve
    its minibatch does not reach dev, so that a budget may buy more proposals than this.

    Raises:
        UsageError: If generations or population is below 1.
    """
    if generations < 1 or population < 1:
        raise UsageError(f"--generations and --population are at least 1, received {generations} and {population}")
    return dev + generations * population * (2 * min(MINIBATCH, train) + dev)


def budget_text(generations: int, population: int, train: int, dev: int) -> str:
    """The budget and how it comes about, for a person."""
    total, minibatch = rollout_budget(generations, population, train, dev), min(MINIBATCH, train)
    return f"{total} rollouts = {dev} dev + {generations} x {population} x (2 x {minibatch} minibatch + {dev} dev)"


def task_name(gold: Path) -> str:
    """``distill-`` and the file's name up to its first dot, in the letters that a task name may have."""
    stem = re.sub(r"[^a-z0-9_-]+", "-", gold.name.split(".")[0].lower()).strip("-")
    return f"distill-{stem or 'gold'}"


def distillation_config(rows: Sequence[Row], spec: DistillSpec, *, gold: Path, corpus_path: str) -> TaskConfig:
    """The task that distils these verdicts; a pure function of the rows and the flags.

    Args:
        rows: Gold rows.
        spec: The flags.
        gold: The file, for the task's name and for messages.
        corpus_path: How the task file names it.

    Raises:
        UsageError: If a flag names a field that the gold does not have, or a number is out of range.
        DataError: If the rows cannot be split or a field cannot be declared.
    """
    split_gold(rows, spec.test_every_nth)
    inputs, inferred = infer_fields(rows)
    if not inputs:
        raise DataError(f"{gold}: no input field is there in every row", hint="give every row the same input fields")
    outputs = {**inferred, **_declared(rows, spec, tuple(inferred))}
    split: dict[str, Any] = {"stride": spec.test_every_nth}
    if find_duplicates(rows).exact:
        split["leaks"] = "drop"
    info = make_splits(Corpus(tuple(rows), gold), SplitSection.model_validate(split)).info
    body = {
        "task": task_name(gold),
        "description": f"the teacher's {listing(outputs)} from {listing(inputs)}",
        "program": "analyst",
        "instruction": spec.baseline or f"Read the {listing(inputs)} and determine the {listing(outputs)}.",
        "inputs": inputs,
        "outputs": outputs,
        "corpus": {"path": corpus_path},
        "split": split,
        **({"metric": {"name": spec.metric}} if spec.metric else {}),
        "models": {"student": spec.model, "reflector": spec.reflector},
        "optimizer": {
            "name": spec.optimizer,
            "budget": rollout_budget(spec.generations, spec.population, info.train, info.dev),
            "seed": spec.seed,
            "minibatch": min(MINIBATCH, info.train),
        },
        "gate": {"margin": spec.delta, "repeats": spec.reps, **({"name": spec.gate} if spec.gate else {})},
        "distillation": {"transfer": spec.transfer},
    }
    try:
        return TaskConfig.model_validate(body)
    except ValidationError as error:
        problems = [Problem(str(gold), None, ".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        raise ConfigError(problems) from None


def _declared(rows: Sequence[Row], spec: DistillSpec, known: tuple[str, ...]) -> dict[str, Any]:
    """Specifications of the fields that flags name; a field named in both kinds is an array."""
    for flag, names in (("--categorical", spec.categorical), ("--array", spec.array)):
        for name in names:
            if name not in known:
                raise UsageError(
                    f"{flag}: the gold has no field {name!r}; its fields: {', '.join(known)}",
                    hint=did_you_mean(name, known) or None,
                )
    values = {name: [row.gold.get(name) for row in rows] for name in (*spec.categorical, *spec.array)}
    return {
        **{name: _categorical(values[name]) for name in spec.categorical},
        **{name: _array(values[name]) for name in spec.array},
    }


def _categorical(values: Sequence[Any]) -> dict[str, Any]:
    """Texts become labels; truth values and numbers stay what they are and must be equal."""
    inferred = infer_field(values)
    if inferred["type"] in ("boolean", "number"):
        return inferred
    labels = sorted({v if isinstance(v, str) else canonical(v) for v in values if v is not None})
    return {"type": "categorical", "labels": labels} if labels else {"type": "categorical"}


def _array(values: Sequence[Any]) -> dict[str, Any]:
    """Texts become the allowed elements; lists of records are compared as sets of whole records."""
    lists = [v if isinstance(v, list) else [v] for v in values if v is not None]
    inferred = infer_field(lists) if lists else {"type": "array"}
    if inferred["type"] == "records":
        return {**inferred, "comparator": "set_jaccard"}
    labels = sorted({item if isinstance(item, str) else canonical(item) for items in lists for item in items})
    closed = bool(labels) and len(labels) <= MAX_LABELS and max(map(len, labels)) <= MAX_LABEL_CHARS
    return {"type": "array", "item_labels": labels} if closed else {"type": "array"}


# The task file


def task_file_text(config: TaskConfig, gold: Path) -> str:
    """The task as YAML, with a mark that shows later whether a person has edited it."""
    body = yaml.safe_dump(
        config.model_dump(mode="json", exclude_unset=True),
        sort_keys=False, allow_unicode=True, width=110, default_flow_style=None,
    )  # fmt: skip
    head = (
        "# yaml-language-server: $schema=task.schema.json\n"
        f"# Written by `distill` from {gold.name}. It is written anew while it is unedited; your edits are kept.\n"
    )
    return f"{head}{MARK}{_digest(body)}\n{body}"


def save_task(config: TaskConfig, gold: Path, root: Path, *, force: bool = False) -> tuple[Path, bool]:
    """Write ``configs/NAME.yaml``; returns the path and whether anything was written.

    An equal file is left alone, and one that this function wrote and nobody edited is replaced.

    Raises:
        UsageError: If the file was edited, or belongs to another gold file, and ``force`` is off.
    """
    path, text = root / "configs" / f"{config.task}.yaml", task_file_text(config, gold)
    if path.exists():
        present = path.read_text("utf-8")
        if present == text:
            return path, False
        if not force:
            _refuse_foreign(path, present, config)
    write_task(path, text)
    return path, True


def _refuse_foreign(path: Path, present: str, config: TaskConfig) -> None:
    _, mark, rest = present.partition(MARK)
    digest, _, body = rest.partition("\n")
    if not mark or digest != _digest(body):
        raise UsageError(
            f"{path} was edited by hand and differs from what these flags give",
            hint=f"run it as it is: python cli.py optimize {config.task}; or add --force to overwrite it",
        )
    loaded: Mapping[str, Any] = yaml.safe_load(body)
    other = loaded["corpus"]["path"]
    if other != config.corpus.path:
        raise UsageError(
            f"{path} distils another gold file of the same name: {other}",
            hint="rename one of them, use another --run-dir, or add --force",
        )


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]
