"""What a task file says about where its rows are."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from core.section import Section
from data.corpus import MAX_ROW_BYTES
from data.formats import AUTO, FormatName


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
