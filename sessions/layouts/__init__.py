"""The layouts that logs of sessions come in: one file for each, and its line here; any other by a mapping file.

A file is read by the first layout that recognises one of its documents; where two would, the order below decides.
"""

from core.catalog import Catalog
from sessions.layouts.base import Layout
from sessions.layouts.benchmarks import ERC3, EVALUATION, SWE, SWE_INSTANCES, TAU, TAU2
from sessions.layouts.otel import OTEL
from sessions.layouts.own import SESSIONS
from sessions.layouts.transcripts import CLAUDE_CODE, CODEX, MLFLOW

LAYOUTS: Catalog[Layout] = Catalog(
    "layout of sessions",
    (CLAUDE_CODE, CODEX, OTEL, MLFLOW, TAU, TAU2, SWE, SWE_INSTANCES, ERC3, EVALUATION, SESSIONS),
)
AUTO = "auto"
"""Told by the content."""
