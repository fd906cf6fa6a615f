"""Reading, applying, comparing, hashing and rendering the prompts of a program."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import dspy
import pydantic

from core.candidate import ProgramPrompts, Prompt
from core.errors import ConfigError, Problem
from core.plain import md5, to_plain

ADAPTERS = ("chat", "json")


ASKED_AGAIN = 2
"""How often an answer that cannot be parsed is asked for again."""


class _AsksAgain:
    """Asks again when an answer cannot be parsed; the last unparsable answer is raised.

    What depends on the signature alone is rendered once and not for every row: it is a quarter of a call's work.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rendered: weakref.WeakKeyDictionary[Any, dict[str, tuple[str, str]]] = weakref.WeakKeyDictionary()

    def _once(self, kind: str, signature: Any, render: Callable[[Any], str]) -> str:
        known = self._rendered.setdefault(signature, {}).get(kind)
        if known is None or known[0] != signature.instructions:
            known = self._rendered[signature][kind] = (signature.instructions, render(signature))
        return known[1]

    def format_system_message(self, signature: Any) -> str:
        """Fields, structure and instruction."""
        above: Any = super()
        return self._once("system", signature, above.format_system_message)

    def user_message_output_requirements(self, signature: Any) -> str:
        """The reminder at the end of a question."""
        above: Any = super()
        return self._once("reminder", signature, above.user_message_output_requirements)

    def __call__(self, lm: Any, lm_kwargs: dict[str, Any], signature: Any, demos: Any, inputs: Any) -> Any:
        ask: Any = super().__call__  # type: ignore[misc]
        rollout = lm_kwargs.get("rollout_id") or ""
        for again in range(1, ASKED_AGAIN + 1):
            try:
                return ask(lm, dict(lm_kwargs), signature, demos, inputs)
            except dspy.AdapterParseError:
                lm_kwargs = {**lm_kwargs, "rollout_id": f"{rollout}again{again}"}
        return ask(lm, dict(lm_kwargs), signature, demos, inputs)


class ChatAdapter(_AsksAgain, dspy.ChatAdapter):
    """DSPy's chat adapter, asking again."""


class JSONAdapter(_AsksAgain, dspy.JSONAdapter):
    """DSPy's JSON adapter, asking again."""


def make_adapter(name: str) -> dspy.ChatAdapter:
    """Return the adapter that turns a signature into messages.

    The chat adapter's silent second call in JSON is off: it would send a prompt that was never tuned and is not the
    one exported. An answer that cannot be parsed is asked for again, with the same prompt.

    Raises:
        ConfigError: If there is no such adapter.
    """
    if name == "chat":
        return ChatAdapter(use_json_adapter_fallback=False)
    if name == "json":
        return JSONAdapter()
    raise ConfigError([Problem("configuration", None, "adapter", f"received {name!r}; allowed: {', '.join(ADAPTERS)}")])


def predictors(program: dspy.Module) -> list[tuple[str, Any]]:
    """Name and predictor of every LM call in the program, in its own order."""
    return list(program.named_predictors())


def read_prompts(program: dspy.Module) -> ProgramPrompts:
    """Read what an optimiser may change: every predictor's instruction and demos, as plain data."""
    prompts = []
    for name, predictor in predictors(program):
        known = set(predictor.signature.fields)
        demos = tuple({k: to_plain(v) for k, v in dict(demo).items() if k in known} for demo in predictor.demos)
        prompts.append(Prompt(name, predictor.signature.instructions, demos))
    return ProgramPrompts(tuple(prompts))


def apply_prompts(program: dspy.Module, prompts: ProgramPrompts) -> dspy.Module:
    """Return a copy of the program that carries exactly these prompts.

    Raises:
        ConfigError: If the prompts were made for a program with other predictors.
    """
    copy = program.deepcopy()
    by_name = {prompt.predictor: prompt for prompt in prompts.prompts}
    names = [name for name, _ in predictors(copy)]
    if set(names) != set(by_name):
        raise ConfigError(
            [Problem("prompts", None, "predictors", f"made for {sorted(by_name)}, the program has {names}")],
            hint="the program changed since; optimise again",
        )
    for name, predictor in predictors(copy):
        predictor.signature = predictor.signature.with_instructions(by_name[name].instruction)
        predictor.demos = [dict(demo) for demo in by_name[name].demos]
    return copy


def component_hashes(prompts: ProgramPrompts) -> dict[str, str]:
    """MD5 of every instruction and demo, by component name; identity only, not security."""
    hashes = {}
    for prompt in prompts.prompts:
        hashes[f"{prompt.predictor}.instruction"] = md5(prompt.instruction)
        for index, demo in enumerate(prompt.demos):
            body = json.dumps(demo, sort_keys=True, ensure_ascii=False)
            hashes[f"{prompt.predictor}.demo.{index}"] = md5(body)
    return hashes


def schema_hash(program: dspy.Module) -> str:
    """Sixteen hex digits over every predictor's field names, types and descriptions.

    DSPy's saved state holds neither names nor types, so a prompt could be loaded into a changed signature unnoticed.
    """
    shape = []
    for name, predictor in predictors(program):
        for kind, fields in (("in", predictor.signature.input_fields), ("out", predictor.signature.output_fields)):
            for field_name, info in fields.items():
                description = (info.json_schema_extra or {}).get("desc", "")
                shape.append([name, kind, field_name, _type_text(info.annotation), description])
    return hashlib.sha256(json.dumps(shape, ensure_ascii=False).encode()).hexdigest()[:16]


def source_of(program: dspy.Module) -> str:
    """The source text of the program's class; empty where Python has none."""
    try:
        return inspect.getsource(type(program))
    except (OSError, TypeError):
        return ""


def _type_text(annotation: Any) -> str:
    try:
        return json.dumps(pydantic.TypeAdapter(annotation).json_schema(), sort_keys=True)
    except (pydantic.PydanticUserError, pydantic.errors.PydanticInvalidForJsonSchema):
        return str(annotation)


def diff_prompts(before: ProgramPrompts, after: ProgramPrompts) -> str:
    """Unified diff of two prompt sets, predictor by predictor; empty when they are equal."""
    old = {p.predictor: p.text for p in before.prompts}
    lines: list[str] = []
    for prompt in after.prompts:
        lines += difflib.unified_diff(
            old.get(prompt.predictor, "").splitlines(),
            prompt.text.splitlines(),
            f"{prompt.predictor} (before)",
            f"{prompt.predictor} (after)",
            lineterm="",
        )
    return "\n".join(lines)


def placeholder(name: str) -> str:
    """What stands for an input's value in an exported template."""
    return "{{" + name + "}}"


def render_messages(
    predictor: Any, adapter: dspy.ChatAdapter, inputs: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Render the messages that the model receives for one call.

    Args:
        predictor: The predictor with its instruction and demos.
        adapter: The adapter of the evaluation.
        inputs: Input values; placeholders ``{{field}}`` when omitted.

    Returns:
        Messages with ``role`` and ``content``, byte-identical to what an evaluation sends.
    """
    values = {n: placeholder(n) for n in predictor.signature.input_fields} if inputs is None else dict(inputs)
    return adapter.format(predictor.signature, [dict(d) for d in predictor.demos], values)
