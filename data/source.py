"""What a task file says about where its rows are, and the rows that are there."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from core.errors import DataError
from core.own_code import mistake
from core.section import Section
from core.workspace import Workspace
from data.corpus import MAX_ROW_BYTES, Corpus, Row, read_corpus
from data.formats import AUTO, FormatName
from data.transcript_files import SUFFIXES, read_transcripts
from data.transcripts import select

CHAINED = "matrix:"
"""A source that is the output of another task's matrix: ``matrix:TASK`` or ``matrix:TASK/PROMPT @ MODEL``."""


class CorpusSection(Section):
    """Where the rows are: gold rows at ``path``, or transcripts without gold at ``source``."""

    path: str | None = Field(default=None, description="File of gold rows, JSONL, JSON or CSV.")
    source: str | None = Field(default=None, description="Transcripts: a file, a folder or a glob pattern.")
    format: FormatName = Field(default=AUTO, description="Form of the transcripts; told by their content by default.")
    count: int | None = Field(
        default=None, ge=1, description="Transcripts taken from a source; rows of a matrix where there is gold."
    )
    min_user_messages: int = Field(default=0, ge=0, description="Transcripts with fewer messages of people are left.")
    field: str | None = Field(default=None, description="Input that a transcript fills; the only input by default.")
    max_row_bytes: int = Field(default=MAX_ROW_BYTES, gt=0)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.source is None):
            raise ValueError("name either path (gold rows) or source (transcripts), and only one of them")
        told = [name for name, said in (("format", self.format != AUTO), ("field", self.field is not None)) if said]
        if self.source is None and told:
            raise ValueError(f"{', '.join(told)} belongs to source; gold rows of path are taken as they are")
        return self


def read_rows(
    section: CorpusSection, inputs: tuple[str, ...], outputs: tuple[str, ...], workspace: Workspace
) -> Corpus:
    """Read the rows that a task file names, with the fields that the task names; without names, with all fields.

    Raises:
        ConfigError: If a bare source is neither there nor in ``corpora/``.
        DataError: If the rows cannot be used, or lack an input.
    """
    if section.path is None:
        return _transcripts(section, inputs, workspace)
    path = Path(section.path)
    corpus = read_corpus(
        path if path.is_absolute() else workspace.root / path,
        inputs=inputs,
        outputs=outputs,
        max_row_bytes=section.max_row_bytes,
    )
    lacking = [(row.id, name) for row in corpus.rows for name in inputs if name not in row.inputs]
    if lacking:
        row_id, name = lacking[0]
        raise DataError(
            f"{corpus.path}: {len(lacking)} rows lack an input that the task names; row {row_id!r} has no {name!r}",
            hint="name the inputs that the rows have",
        )
    ins = set(inputs) or set(corpus.rows[0].inputs)
    outs = set(outputs) or {name for row in corpus.rows for name in row.gold}
    rows = tuple(
        row
        if row.inputs.keys() <= ins and row.gold.keys() <= outs
        else dataclasses.replace(
            row,
            inputs={k: v for k, v in row.inputs.items() if k in ins},
            gold={k: v for k, v in row.gold.items() if k in outs},
        )
        for row in corpus.rows
    )
    known = dict.fromkeys(name for row in corpus.rows for name in row.gold)
    return Corpus(rows, corpus.path, tuple(name for name in known if name not in outs))


def _transcripts(section: CorpusSection, inputs: tuple[str, ...], workspace: Workspace) -> Corpus:
    """Rows whose one input is a transcript, without gold."""
    field = section.field or inputs[0]
    source = section.source or ""
    if source.startswith(CHAINED):
        return _chained(field, workspace, source.removeprefix(CHAINED))
    source = _place(source, workspace)
    found = read_transcripts(source, root=workspace.root, form=section.format)
    chosen = select(found.transcripts, section.count, section.min_user_messages)
    if not chosen:
        raise DataError(
            f"{source}: none of {len(found.transcripts)} transcripts has {section.min_user_messages} user messages",
            hint="lower corpus.min_user_messages",
        )
    return Corpus(tuple(Row(t.id, {field: t.text}, {}) for t in chosen), workspace.root / source)


def _place(source: str, workspace: Workspace) -> str:
    """A source as it is; a bare name that is not there means a file or folder of ``corpora/``.

    Raises:
        ConfigError: If a bare name is neither there nor in ``corpora/``.
    """
    if not re.fullmatch(r"[\w-]+", source) or (workspace.root / source).exists():
        return source
    for path in (workspace.corpora / source, *sorted(workspace.corpora.glob(f"{source}.*"))):
        if path.is_dir() or path.suffix.lower() in SUFFIXES:
            return str(path.relative_to(workspace.root))
    raise mistake(
        "corpus.source",
        f"received {source!r}: there is no such file or folder in {workspace.root}, nor in its corpora/; "
        f"name a file, a folder or a pattern of transcripts (such as corpora/{source}/ or ~/logs/**/*.jsonl), "
        "or matrix:TASK for what another task's matrix has put out (matrix:condensation); "
        "rows with gold belong to corpus.path instead",
    )


def _chained(field: str, workspace: Workspace, source: str) -> Corpus:
    """Rows from what another task's matrix has put out; each says which run, cell, prompt and model made it."""
    name, _, cell = source.partition("/")
    folder = workspace.mlruns / "matrix" / name
    try:
        summary = json.loads((folder / "matrix.json").read_text("utf-8"))
        lines = [json.loads(line) for line in (folder / "outputs.jsonl").read_text("utf-8").splitlines()]
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"corpus.source: {source}: {error}", hint=f"first: python cli.py matrix {name}") from None
    cell = cell or summary["recommended"]
    made = [line for line in lines if f"{line['prompt']} @ {line['model']}" == cell and line["status"] == "ok"]
    if not made:
        cells = sorted({f"{line['prompt']} @ {line['model']}" for line in lines})
        raise DataError(f"corpus.source: {name} has no outputs of {cell!r}; it has: {', '.join(cells)}")
    rows = [
        Row(
            line["row_id"],
            {field: next(iter(line["prediction"].values()))},
            {},
            meta={"run": summary["run_id"], "cell": cell, "prompt_hash": line["prompt_hash"], "model": line["model"]},
        )
        for line in made
    ]
    return Corpus(tuple(rows), folder / "outputs.jsonl")
