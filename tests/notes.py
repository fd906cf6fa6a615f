"""A small classification task whose student and reflector live behind a provider."""

from __future__ import annotations

import json
import random
from pathlib import Path

WORDS = [
    "river",
    "stone",
    "cloud",
    "lamp",
    "paper",
    "train",
    "window",
    "garden",
    "pepper",
    "violin",
    "engine",
    "saddle",
]


def notes(folder: Path, url: str, *, run: str = "threads: 4, pilot: 4", model: str = "", priced: bool = True) -> Path:
    """Write the workspace: 120 notes that are about water or land, models at ``url``."""
    price = ("input_price: 1, output_price: 4", "input_price: 2, output_price: 8") if priced else ("", "")
    extra = "".join(f", {part}" for part in (model,) if part)
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "configs" / "models.yaml").write_text(
        f'models:\n  far: {{model: openai/far-small, api_base: "{url}"{extra}, {price[0]}}}\n'
        f'  mind: {{model: openai/far-large, api_base: "{url}"{extra}, {price[1]}}}\n',
        "utf-8",
    )
    generator, rows = random.Random(3), []
    for number in range(120):
        words = generator.choices(WORDS, k=8)
        label = "water" if {"river", "cloud"} & set(words) else "land"
        rows.append({"id": f"r{number}", "input": {"note": " ".join([*words, str(number)])}, "label": {"kind": label}})
    (folder / "corpora").mkdir(exist_ok=True)
    (folder / "corpora" / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (folder / "configs" / "notes.yaml").write_text(
        "task: notes\ninputs: {note: {type: text}}\n"
        "outputs: {kind: {type: categorical, labels: [land, water]}}\n"
        "corpus: {path: corpora/notes.jsonl}\nmodels: {student: far, reflector: mind}\n"
        f"optimizer: {{budget: 220, minibatch: 8}}\nrun: {{confirm_above: 1000, {run}}}\n",
        "utf-8",
    )
    return folder
