"""Messages as the ledger keeps them: a long text once, under its hash, however many calls send it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LONG_TEXT = 200
"""Characters from which a message is kept once, under its hash, however many calls send it."""


def pack_messages(messages: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Messages with a hash in the place of each long text, and these texts by hash.

    Every call of a run sends the same system prompt and the same demos: most of what a request is made of.
    """
    packed, texts = [], {}
    for message in messages:
        content = message.get("content")
        if isinstance(content, str) and len(content) >= LONG_TEXT:
            name = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            texts[name] = content
            packed.append({**{k: v for k, v in message.items() if k != "content"}, "text_hash": name})
        else:
            packed.append(dict(message))
    return packed, texts


def unpack_messages(messages: Sequence[Mapping[str, Any]], text_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """Messages as they were sent, from what :func:`pack_messages` made of them."""
    return [
        {**{k: v for k, v in message.items() if k != "text_hash"}, "content": text_of(message["text_hash"])}
        if "text_hash" in message
        else dict(message)
        for message in messages
    ]


def keep_texts(db: sqlite3.Connection, texts: Mapping[str, str]) -> None:
    """Note long texts by hash; those that are known already stay."""
    db.executemany("insert or ignore into texts (hash, text) values (?, ?)", texts.items())
