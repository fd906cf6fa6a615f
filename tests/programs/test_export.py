"""Exports: each form holds the tuned prompt exactly, and production code around it stays as it was."""

import ast
import json

import dspy
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.candidate import ProgramPrompts, Prompt
from core.errors import UsageError
from programs.export import FORMATS, Export, plan_constant_edit, string_literal
from programs.extraction import Extraction
from programs.prompts import apply_prompts, make_adapter, read_prompts

DEMO = {"transcript": "We chose SQLite.", "learnings": [{"kind": "decision", "statement": "We chose SQLite."}]}


@pytest.fixture
def tuned():
    prompts = ProgramPrompts((Prompt("extract", 'Say "why".\nKeep \\n and """ as they are.', (DEMO,)),))
    program = apply_prompts(Extraction(), prompts)
    return Export(program, make_adapter("chat"), "chat", {"run_id": "r1", "verdict": "PROMOTE"})


def test_text_is_the_instruction_alone(tuned):
    assert FORMATS.get("text").render(tuned, None) == 'Say "why".\nKeep \\n and """ as they are.\n'


def test_messages_carry_placeholders_and_provenance(tuned):
    body = json.loads(FORMATS.get("messages").render(tuned, None))
    messages = body["predictors"]["extract"]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert "{{transcript}}" in messages[-1]["content"]
    assert body["provenance"]["run_id"] == "r1"


def test_dspy_state_loads_into_a_fresh_program(tuned, tmp_path):
    path = tmp_path / "state.json"
    path.write_text(FORMATS.get("dspy").render(tuned, None), "utf-8")
    fresh = Extraction()
    fresh.load(str(path))
    assert read_prompts(fresh) == tuned.prompts
    assert json.loads(path.read_text("utf-8"))["metadata"]["provenance"]["verdict"] == "PROMOTE"


def test_dspy_state_holds_no_model(tuned):
    tuned.program.set_lm(dspy.LM("openai/x", api_key="sk-plant-4711", cache=False))
    assert "sk-plant" not in FORMATS.get("dspy").render(tuned, None)


def test_yaml_reads_back(tuned):
    body = yaml.safe_load(FORMATS.get("yaml").render(tuned, None))
    assert body["prompts"]["extract"]["instruction"] == tuned.prompts.prompts[0].instruction
    assert body["prompts"]["extract"]["demos"] == [DEMO]


SOURCE = '''"""Größe zählt."""
import os

PROMPT = (
    "old "  # a comment inside
    "text"
)
OTHER: str = "stays"


def f():
    PROMPT = "not this one"
    return PROMPT
'''


def test_only_the_constant_changes_in_a_source_file(tmp_path):
    path = tmp_path / "prompts.py"
    path.write_bytes(SOURCE.replace("\n", "\r\n").encode())
    edit = plan_constant_edit(f"{path}:OTHER", "two\nlines")
    before, after = edit.before.splitlines(), edit.after.splitlines()
    changed = [line for line in before if line not in after]
    assert changed == ['OTHER: str = "stays"']
    assert edit.after.endswith("    return PROMPT\r\n")
    namespace = {}
    exec(compile(edit.after, "x", "exec"), namespace)  # our own source, to see what Python makes of it
    assert namespace["OTHER"] == "two\nlines"
    assert namespace["PROMPT"] == "old text"


def test_a_constant_in_parentheses_and_non_ascii_source(tmp_path):
    path = tmp_path / "prompts.py"
    path.write_text(SOURCE, "utf-8")
    edit = plan_constant_edit(f"{path}:PROMPT", 'neu "zitiert"')
    assert ast.literal_eval(ast.parse(edit.after).body[2].value) == 'neu "zitiert"'
    assert edit.after.startswith('"""Größe zählt."""')
    assert '+    "neu' in edit.diff


@pytest.mark.parametrize("target", ["nofile.py", "x.py:1bad", "missing.py:PROMPT"])
def test_a_target_that_cannot_be_is_refused(target):
    with pytest.raises(UsageError):
        plan_constant_edit(target, "x")


@pytest.mark.parametrize("line", ['X = f"{1}"', "X = 3", "def X(): pass", "Y = 'other'"])
def test_only_a_plain_top_level_string_is_rewritten(tmp_path, line):
    path = tmp_path / "m.py"
    path.write_text(line + "\n", "utf-8")
    with pytest.raises(UsageError, match="no top-level string constant X"):
        plan_constant_edit(f"{path}:X", "text")


@given(st.text())
def test_a_string_literal_always_means_the_text(text):
    assert ast.literal_eval(string_literal(text)) == text
