"""The forms that transcripts come in: one file for each, and its line here.

A format says what it is called, how a record of it is recognised and what its records mean. A file is read by the first
format that recognises one of its records, so that the order below decides where two would.
"""

from typing import TYPE_CHECKING, Literal

from core.catalog import Catalog
from data.formats.base import TranscriptFormat
from data.formats.claude_code import CLAUDE_CODE
from data.formats.codex import CODEX
from data.formats.mlflow_traces import MLFLOW
from data.formats.openai import OPENAI
from data.formats.rows import ROWS
from data.formats.text import TEXT

FORMATS: Catalog[TranscriptFormat] = Catalog("transcript format", (CLAUDE_CODE, CODEX, MLFLOW, OPENAI, ROWS, TEXT))
AUTO = "auto"
"""Told by the content."""

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[(AUTO, *FORMATS.names)]
"""What a task file may name."""
