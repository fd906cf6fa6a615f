"""Tuned prompts on their way back into production, in the form that production wants."""

from __future__ import annotations

import ast
import difflib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy
import yaml

from core.candidate import ProgramPrompts, Prompt
from core.catalog import Catalog
from core.errors import UsageError
from core.plain import to_plain
from programs.prompts import predictors, read_prompts, render_messages

PARSER = r"\[\[ ## (\w+) ## \]\]"
"""Finds the output fields in an answer to the chat adapter's messages."""


@dataclass(frozen=True)
class Export:
    """What is exported: the program with its tuned prompts, and where they come from."""

    program: dspy.Module
    adapter: dspy.ChatAdapter
    adapter_name: str
    provenance: Mapping[str, Any]

    @property
    def prompts(self) -> ProgramPrompts:
        """The prompts as plain data."""
        return read_prompts(self.program)

    def one(self, predictor: str | None) -> Prompt:
        """One predictor's prompt; the only one when ``predictor`` is None.

        Raises:
            UsageError: If there are several and none was named, or the named one does not exist.
        """
        prompts = {p.predictor: p for p in self.prompts.prompts}
        if predictor is None and len(prompts) == 1:
            return next(iter(prompts.values()))
        if predictor in prompts:
            return prompts[predictor]
        raise UsageError(f"which predictor? received {predictor!r}; the program has {', '.join(prompts)}")

    def check(self, predictor: str | None) -> None:
        """Refuse a name that no predictor has; None means all of them.

        Raises:
            UsageError: If so.
        """
        if predictor is not None:
            self.one(predictor)


@dataclass(frozen=True)
class Format:
    """A form of export. ``sidecar`` says that provenance goes into a file beside it, because it cannot go inside."""

    name: str
    summary: str
    render: Callable[[Export, str | None], str]
    sidecar: bool = False


def _text(export: Export, predictor: str | None) -> str:
    if predictor is None and len(export.prompts.prompts) > 1:
        return "\n\n".join(f"# {p.predictor}\n{p.instruction}" for p in export.prompts.prompts) + "\n"
    return export.one(predictor).instruction + "\n"


def _messages(export: Export, predictor: str | None) -> str:
    wanted = [(n, p) for n, p in predictors(export.program) if predictor in (None, n)]
    if not wanted:
        export.one(predictor)
    body = {
        "provenance": dict(export.provenance),
        "adapter": export.adapter_name,
        "placeholders": "replace {{name}} in the last user message by the input's value; "
        "a value that is not text is written as JSON",
        "answer_pattern": PARSER if export.adapter_name == "chat" else "a JSON object with the output fields",
        "predictors": {
            name: {
                "inputs": list(p.signature.input_fields),
                "outputs": list(p.signature.output_fields),
                "messages": render_messages(p, export.adapter),
            }
            for name, p in wanted
        },
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _dspy(export: Export, predictor: str | None) -> str:
    """DSPy's own state without the LM; ``program.load`` reads it, and provenance rides in its metadata."""
    export.check(predictor)
    bare = export.program.deepcopy()
    bare.set_lm(None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        bare.save(str(path))
        state = json.loads(path.read_text("utf-8"))
    state.setdefault("metadata", {})["provenance"] = dict(export.provenance)
    return json.dumps(state, ensure_ascii=False, indent=2) + "\n"


def _yaml(export: Export, predictor: str | None) -> str:
    export.check(predictor)
    body = {
        "provenance": to_plain(export.provenance),
        "prompts": {
            p.predictor: {"instruction": p.instruction, "demos": to_plain(list(p.demos))}
            for p in export.prompts.prompts
            if predictor in (None, p.predictor)
        },
    }
    return yaml.dump(body, Dumper=_BlockDumper, allow_unicode=True, sort_keys=False, width=100)


class _BlockDumper(yaml.SafeDumper):
    """Writes long text as a block, so that a diff of two exports reads line by line."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_BlockDumper.add_representer(str, _block)


def _python(export: Export, predictor: str | None) -> str:
    return string_literal(export.one(predictor).instruction) + "\n"


FORMATS: Catalog[Format] = Catalog(
    "format",
    (
        Format("text", "the instruction alone", _text, sidecar=True),
        Format("messages", "chat messages with placeholders, as the model receives them", _messages),
        Format("dspy", "state for dspy.Module.load", _dspy),
        Format("yaml", "instructions and demos, for people and diffs", _yaml),
        Format("python", "a string constant; with --target it is written into your source file", _python, sidecar=True),
    ),
)


def string_literal(text: str) -> str:
    """A Python literal for a text: triple-quoted when it has several lines, and always equal to the text."""
    if "\n" in text:
        body = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        if body.endswith('"'):
            body = body[:-1] + '\\"'
        literal = f'"""{body}"""'
        if _evaluates_to(literal, text):
            return literal
    return (
        json.dumps(text, ensure_ascii=False)
        if _evaluates_to(json.dumps(text, ensure_ascii=False), text)
        else repr(text)
    )


def _evaluates_to(literal: str, text: str) -> bool:
    try:
        return ast.literal_eval(literal) == text
    except (SyntaxError, ValueError):
        return False


@dataclass(frozen=True)
class ConstantEdit:
    """A planned change of one string constant in a source file."""

    path: Path
    constant: str
    before: str
    after: str

    @property
    def diff(self) -> str:
        """Unified diff of the file."""
        return "".join(
            difflib.unified_diff(
                self.before.splitlines(keepends=True),
                self.after.splitlines(keepends=True),
                str(self.path),
                f"{self.path} (tuned)",
            )
        )


def plan_constant_edit(target: str, text: str) -> ConstantEdit:
    """Find ``file.py:CONSTANT`` and plan to replace its string; every other byte of the file stays.

    Raises:
        UsageError: If the target is not of that form, or the file has no such plain string constant at its top level.
    """
    file_name, separator, constant = target.rpartition(":")
    if not separator or not constant.isidentifier():
        raise UsageError(f"--target: received {target!r}; expected path/to/file.py:CONSTANT")
    path = Path(file_name)
    try:
        raw = path.read_bytes()
        source = raw.decode("utf-8")
        tree = ast.parse(source)
    except OSError as error:
        raise UsageError(f"--target: cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, SyntaxError) as error:
        raise UsageError(f"--target: {path} is not valid Python in UTF-8: {error}") from None
    node = _find_constant(tree, constant)
    if node is None:
        raise UsageError(
            f"--target: {path} has no top-level string constant {constant}",
            hint=f'add a line {constant} = "" where the prompt should go; f-strings and expressions are not rewritten',
        )
    start, end = (
        _offset(raw, node.lineno, node.col_offset),
        _offset(raw, node.end_lineno or 0, node.end_col_offset or 0),
    )
    after = raw[:start] + string_literal(text).encode() + raw[end:]
    return ConstantEdit(path, constant, source, after.decode())


def _find_constant(tree: ast.Module, name: str) -> ast.Constant | None:
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        named = any(isinstance(t, ast.Name) and t.id == name for t in targets)
        value = statement.value
        if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value
    return None


def _offset(raw: bytes, line: int, column: int) -> int:
    """Byte offset of a position as the parser counts it: lines from 1, columns in UTF-8 bytes."""
    lines = raw.splitlines(keepends=True)
    return sum(len(part) for part in lines[: line - 1]) + column
