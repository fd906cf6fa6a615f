"""Imported transcripts end in a task that runs, whatever the stage."""

import json

import pytest

from core.errors import UsageError
from programs import PROGRAMS
from tasks.loading import load_task
from tasks.scaffold import scaffold_stage
from tasks.stages import STAGES


@pytest.mark.parametrize("stage", STAGES.names)
def test_every_stage_becomes_a_valid_task_on_rows_without_gold(tmp_path, stage):
    rows = tmp_path / "corpora" / "mine.jsonl"
    rows.parent.mkdir()
    rows.write_text(json.dumps({"id": "a", "input": {"transcript": "[user] hi"}}) + "\n", "utf-8")
    scaffold_stage("mine", stage, rows, tmp_path)
    config = load_task("mine", workspace=tmp_path)
    assert (config.program, config.metric.name, config.corpus.source) == (stage, "judge", "corpora/mine.jsonl")
    assert config.judge.criteria
    assert stage in PROGRAMS
    with pytest.raises(UsageError, match="exists"):
        scaffold_stage("mine", stage, rows, tmp_path)
    with pytest.raises(UsageError, match="unknown stage 'condense'; known: condensation, extraction"):
        scaffold_stage("other", "condense", rows, tmp_path)
