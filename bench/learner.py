"""What does the embedded model learn, beside TF-IDF and logistic regression fitted on the same rows?

Usage: python -m bench.learner DATA [--salts 3] [--sizes 200,100,300] [--batch 20] [--only NAME,NAME]
DATA is a folder with gold files: snips (its intent), facility_emails, email_intent, banking77. For each and each salt:
`constant` is the most frequent answer of the train rows; `wording` the embedded model without a rule; `shown` with the
rules that its reflector writes when it is shown all train rows, a minibatch after the other; `peer` is scikit-learn.
Scores are means over the fields of the holdout rows: equality, of lists the Jaccard index. With --search also what
`optimize` finds on such splits, end to end, and what its prompt has in signs and characters.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.placebo import command
from offline.engine import SKILLS
from offline.reading import FieldInfo, Frame, Reading
from offline.reflector import KEPT_SIGNS, reflect
from offline.student import Student

FIELDS = {
    "snips": ("intent",),
    "facility_emails": ("urgency", "sentiment", "categories"),
    "email_intent": ("has_intent",),
    "banking77": ("intent",),
}
SMALL = {"facility_emails": (80, 40, 80)}
"""Rows of a set that has fewer than were asked for."""


def parts(name: str, rows: Sequence[Mapping[str, Any]], sizes: Sequence[int], salt: int) -> list[list[Any]]:
    """Train, dev and holdout rows, in an order that the salt and the ids decide."""
    ranked = sorted(rows, key=lambda row: hashlib.sha256(f"{salt}:{row['id']}".encode()).hexdigest())
    found, start = [], 0
    for size in SMALL.get(name, sizes):
        found.append(ranked[start : start + size])
        start += size
    return found


def shown(row: Mapping[str, Any]) -> str:
    """A row's inputs as one text."""
    return "\n".join(map(str, row["input"].values()))


def agreement(gold: Any, said: Any) -> float:
    """Equality; of lists the Jaccard index."""
    if isinstance(gold, list):
        ours, theirs = set(gold), set(said)
        return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0
    return float(gold == said)


def frame(
    train: Sequence[Mapping[str, Any]], fields: Sequence[str], every: Sequence[Mapping[str, Any]], text: str
) -> Frame:
    """The task as a prompt shows it; labels are those of the whole set, as `init` writes them."""
    outputs = []
    for name in fields:
        values = [row["label"][name] for row in every]
        flat = sorted({v for value in values for v in (value if isinstance(value, list) else [value])})
        kind = f"Literal[{', '.join(map(repr, flat))}]"
        outputs.append(FieldInfo(name, f"list[{kind}]" if isinstance(values[0], list) else kind, name))
    inputs = tuple(FieldInfo(name, "str", name) for name in train[0]["input"])
    return Frame(inputs, tuple(outputs), text, json=False)


def rules(train: Sequence[Mapping[str, Any]], fields: Sequence[str], seed: str, batch: int) -> str:
    """The instruction after a pass over the train rows."""
    text = seed
    for start in range(0, len(train), batch):
        examples = [
            {"Inputs": row["input"], "Generated Outputs": {}, "Feedback": "\n".join(
                f"- {name}: received null, expected {json.dumps(row['label'][name])}" for name in fields)}
            for row in train[start : start + batch]
        ]  # fmt: skip
        text = reflect(text, examples, keep=KEPT_SIGNS, pairs=True, output=None)
    return text


def embedded(asked: Frame, holdout: Sequence[Mapping[str, Any]], fields: Sequence[str], size: str = "small") -> float:
    """The embedded model's mean score."""
    scores = []
    for row in holdout:
        reading = Reading(asked, (), tuple((k, str(v)) for k, v in row["input"].items()))
        said = Student(SKILLS[size], reading).answer()
        scores.append(fmean(agreement(row["label"][name], said[name]) for name in fields))
    return fmean(scores)


def peer(train: Sequence[Mapping[str, Any]], holdout: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> float:
    """TF-IDF over words and pairs, logistic regression; of lists one regression a label."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    known, asked = vectors.fit_transform(map(shown, train)), vectors.transform(map(shown, holdout))
    scores = []
    for name in fields:
        gold, right = [row["label"][name] for row in train], [row["label"][name] for row in holdout]
        model = LogisticRegression(C=10, max_iter=1000)
        if isinstance(gold[0], list):
            labels = MultiLabelBinarizer()
            many = OneVsRestClassifier(model).fit(known, labels.fit_transform(gold))
            said: Sequence[Any] = labels.inverse_transform(many.predict(asked))
        else:
            said = list(model.fit(known, gold).predict(asked))
        scores.append(fmean(map(agreement, right, said)))
    return fmean(scores)


def constant(train: Sequence[Mapping[str, Any]], holdout: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> float:
    """The most frequent answer of the train rows."""
    scores = []
    for name in fields:
        often = json.loads(Counter(json.dumps(row["label"][name]) for row in train).most_common(1)[0][0])
        scores.append(fmean(agreement(row["label"][name], often) for row in holdout))
    return fmean(scores)


def searched(split: Sequence[Sequence[Mapping[str, Any]]], fields: Sequence[str], budget: str) -> tuple[float, float]:
    """What `optimize` finds on these splits: the seed's score on the holdout, and the winner's."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        gold = Path(folder) / "gold.jsonl"
        lines = [
            json.dumps(dict(row) | {"label": {name: row["label"][name] for name in fields}, "split": side})
            for side, rows in zip(("train", "dev", "holdout"), split, strict=True)
            for row in rows
        ]
        gold.write_text("\n".join(lines) + "\n", "utf-8")
        command("init", "own", "--from-gold", str(gold), "--workspace", folder)
        body = command("optimize", "own", "--budget", budget, "--workspace", folder)
        return body["baseline"] or float("nan"), body["candidate"] or float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--salts", type=int, default=3)
    parser.add_argument("--sizes", default="200,100,300")
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--only", default=",".join(FIELDS))
    parser.add_argument("--search", metavar="BUDGET")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    sys.stdout.write(f"{'':<16} salt constant wording  shown   peer  searched  prompt\n")
    for name in given.only.split(","):
        lines = (given.data / f"{name}.jsonl").read_text("utf-8").splitlines()
        every = [json.loads(line) for line in lines if line.strip()]
        fields, table = FIELDS[name], []
        seed = f"Read the {next(iter(every[0]['input']))} and determine the {', '.join(fields)}."
        for salt in range(given.salts):
            train, dev, holdout = parts(name, every, sizes, salt)
            text = rules(train, fields, seed, given.batch)
            row = [
                constant(train, holdout, fields),
                embedded(frame(train, fields, every, seed), holdout, fields),
                embedded(frame(train, fields, every, text), holdout, fields),
                peer(train, holdout, fields),
                searched((train, dev, holdout), fields, given.search)[1] if given.search else float("nan"),
            ]
            table.append(row)
            told = "   ".join(f"{score:.3f}" for score in row)
            sys.stdout.write(f"{name:<16} {salt:>4}  {told}   {len(text):,} characters\n")
            sys.stdout.flush()
        means = "   ".join(f"{fmean(column):.3f}" for column in zip(*table, strict=True))
        sys.stdout.write(f"{name:<16} mean  {means}\n")


if __name__ == "__main__":
    main()
