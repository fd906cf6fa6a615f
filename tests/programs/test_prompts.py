"""Prompts: read, applied, hashed, and rendered byte for byte as the model receives them."""

from typing import Literal

import dspy
import pydantic
import pytest
from dspy.lm15 import Message, Response, Usage

from core.candidate import ProgramPrompts, Prompt
from core.errors import ConfigError
from core.plain import md5
from programs.extraction import Extraction
from programs.prompts import (
    ADAPTERS,
    apply_prompts,
    component_hashes,
    diff_prompts,
    make_adapter,
    predictors,
    read_prompts,
    render_messages,
    schema_hash,
)


class Item(pydantic.BaseModel):
    name: str
    count: int


class Everything(dspy.Signature):
    """Use every kind of field."""

    text: str = dspy.InputField()
    number: int = dspy.InputField()
    tags: list[str] = dspy.InputField()
    item: Item = dspy.InputField()
    label: Literal["a", "b"] = dspy.OutputField()
    flag: bool = dspy.OutputField()
    score: float = dspy.OutputField()
    parts: list[Literal["x", "y"]] = dspy.OutputField()
    items: list[Item] = dspy.OutputField()


INPUTS = {"text": "Grüße\n[[ ## x ## ]]", "number": 3, "tags": ["p", 'q"'], "item": Item(name="n", count=1)}
OUTPUTS = {"label": "a", "flag": True, "score": 0.5, "parts": ["x"], "items": [{"name": "m", "count": 2}]}


class Recorder:
    """An engine that keeps what it is sent and answers nothing useful."""

    def __init__(self):
        self.requests = []

    def complete(self, request):
        self.requests.append(request)
        return Response(
            id=None, model=request.model, message=Message.assistant("?"), finish_reason="stop", usage=Usage()
        )


def received(request):
    system = request.system if isinstance(request.system, str) else "".join(p.text for p in request.system or ())
    return [("system", system)] + [(m.role, m.text) for m in request.messages]


@pytest.mark.parametrize("adapter_name", ADAPTERS)
@pytest.mark.parametrize(
    "demos", [(), ({"text": "t", "number": 1, "tags": [], "item": {"name": "d", "count": 9}, **OUTPUTS},)]
)
def test_rendered_messages_are_what_the_model_receives_byte_for_byte(adapter_name, demos):
    engine, adapter = Recorder(), make_adapter(adapter_name)
    program = apply_prompts(dspy.Predict(Everything), ProgramPrompts((Prompt("self", "Do\n  it.", demos),)))
    lm = dspy.LM("test/recorder", engine=engine, cache=False)
    with dspy.context(lm=lm, adapter=adapter), pytest.raises(dspy.AdapterParseError):
        program(**INPUTS)
    messages = render_messages(predictors(program)[0][1], adapter, INPUTS)
    assert [(m["role"], m["content"]) for m in messages] == received(engine.requests[0])


@pytest.mark.parametrize("adapter_name", ADAPTERS)
def test_placeholders_stand_where_text_inputs_stand(adapter_name):
    adapter, predictor = make_adapter(adapter_name), dspy.Predict("question, context -> answer")
    template = render_messages(predictor, adapter)
    filled = render_messages(predictor, adapter, {"question": "Q?", "context": "C."})
    swapped = [m["content"].replace("{{question}}", "Q?").replace("{{context}}", "C.") for m in template]
    assert swapped == [m["content"] for m in filled]


def test_prompts_go_in_and_come_out_unchanged():
    prompts = ProgramPrompts((Prompt("extract", "New words.", ({"transcript": "t", "learnings": []},)),))
    seed = Extraction()
    assert read_prompts(apply_prompts(seed, prompts)) == prompts
    assert read_prompts(seed).prompts[0].demos == ()


def test_prompts_of_another_program_are_refused():
    with pytest.raises(ConfigError, match="made for"):
        apply_prompts(Extraction(), ProgramPrompts((Prompt("classify", "x"),)))


def test_components_are_named_by_their_md5():
    assert md5("Check limits first") == "6126cee77f8d12cc7f2138603fb0d49f"
    assert md5("Check coupon limits first") == "66b0e276edb76d7e2b3a53d6ece3dbc1"
    hashes = component_hashes(ProgramPrompts((Prompt("p", "Check limits first", ({"a": 1},)),)))
    assert hashes["p.instruction"] == "6126cee77f8d12cc7f2138603fb0d49f"
    assert set(hashes) == {"p.instruction", "p.demo.0"}


def test_a_diff_shows_both_sides_and_is_empty_for_equals():
    old, new = ProgramPrompts((Prompt("p", "one\ntwo"),)), ProgramPrompts((Prompt("p", "one\nthree"),))
    assert "-two" in diff_prompts(old, new)
    assert "+three" in diff_prompts(old, new)
    assert diff_prompts(old, old) == ""


def test_the_schema_hash_sees_types_and_names_but_not_instructions():
    base = dspy.Predict("a -> b: bool")
    assert schema_hash(base) == schema_hash(dspy.Predict(dspy.Signature("a -> b: bool", "Other words.")))
    assert schema_hash(base) != schema_hash(dspy.Predict("a -> b: int"))
    assert schema_hash(base) != schema_hash(dspy.Predict("a -> c: bool"))
