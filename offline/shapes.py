"""How a record of a list of records is built, read from the schema in a prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class OutputShape:
    """How a record is built: its label field, the labels, its text field, and what else must be there."""

    label: str | None
    labels: tuple[Any, ...]
    text: str | None
    others: tuple[tuple[str, str], ...] = ()

    def build(self, label: Any, sentence: str) -> Any:
        """A record, or the bare sentence for a list of texts."""
        if self.text is None and self.label is None:
            return sentence
        record: dict[str, Any] = {}
        if self.label is not None:
            record[self.label] = label
        if self.text is not None:
            record[self.text] = sentence
        defaults: Mapping[str, Any] = {
            "string": "",
            "number": 0,
            "integer": 0,
            "boolean": False,
            "array": [],
            "object": {},
        }
        for name, kind in self.others:
            record[name] = defaults.get(kind)
        return record


@lru_cache(maxsize=128)
def record_shape(schema: str) -> OutputShape | None:
    """The shape of a list of records from its JSON schema; None for a list of plain values."""
    try:
        parsed = json.loads(schema)
    except json.JSONDecodeError:
        return None
    item = parsed.get("items", {})
    if "$ref" in item:
        item = parsed.get("$defs", {}).get(item["$ref"].rsplit("/", 1)[-1], {})
    properties = item.get("properties")
    if not properties:
        return None
    label = next((n for n, p in properties.items() if "enum" in p), None)
    texts = [n for n, p in properties.items() if p.get("type") == "string" and n != label]
    text = max(
        texts,
        key=lambda n: (n in ("statement", "text", "action", "promise", "description"), -texts.index(n)),
        default=None,
    )
    others = tuple((n, p.get("type", "null")) for n, p in properties.items() if n not in (label, text))
    return OutputShape(label, tuple(properties[label]["enum"]) if label else (), text, others)
