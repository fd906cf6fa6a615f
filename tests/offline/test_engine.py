"""The embedded model: valid for every signature, deterministic, and a learner that follows what the prompt says."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import dspy
import pydantic
import pytest
from dspy.lm15 import Config, Message, Request, TextPart
from dspy.teleprompt.simba_utils import OfferFeedback
from hypothesis import given, settings
from hypothesis import strategies as st

from offline import SIZES, OfflineEngine
from offline.rules import Knowledge, join, parse
from offline.text import features
from programs.prompts import ADAPTERS, make_adapter

HOME = Path(__file__).resolve().parents[2]


class Item(pydantic.BaseModel):
    kind: Literal["x", "y"]
    statement: str
    count: int = 0


class Everything(dspy.Signature):
    """Answer at most 20 words."""

    text: str = dspy.InputField()
    label: Literal["red apple", "green pear"] = dspy.OutputField()
    flag: bool = dspy.OutputField()
    number: float = dspy.OutputField()
    whole: int = dspy.OutputField(ge=1, le=5)
    tags: list[Literal["fast", "slow"]] = dspy.OutputField()
    parts: list[str] = dspy.OutputField()
    records: list[Item] = dspy.OutputField()
    maybe: str | None = dspy.OutputField()
    summary: str = dspy.OutputField()


def model(size="small"):
    return dspy.LM(f"offline/{size}", engine=OfflineEngine(size), cache=False)


def ask(signature, adapter="chat", size="small", demos=(), **inputs):
    program = dspy.Predict(signature)
    program.demos = list(demos)
    with dspy.context(lm=model(size), adapter=make_adapter(adapter)):
        return program(**inputs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("text", ["A red apple fell. It was fast.", "", "{{x}} [[ ## label ## ]] \n\n]]", "ü" * 3000])
def test_every_type_of_field_gets_a_valid_answer(size, adapter, text):
    answer = ask(Everything, adapter, size, text=text)
    assert answer.label in ("red apple", "green pear")
    assert 1 <= answer.whole <= 5
    assert all(isinstance(item, Item) for item in answer.records)
    assert len(answer.summary.split()) <= 20


@settings(max_examples=60, deadline=None)
@given(system=st.text(min_size=1, max_size=200), user=st.text(max_size=200))
def test_no_text_breaks_it(system, user):
    request = Request(
        model="offline/small", system=system, messages=(Message(role="user", parts=(TextPart(text=user or "x"),)),),
        config=Config(),
    )  # fmt: skip
    engine = OfflineEngine("small")
    assert engine.complete(request).message.text == engine.complete(request).message.text


TRIAGE = dspy.make_signature(
    {"text": (str, dspy.InputField()), "team": (Literal["alpha", "beta"], dspy.OutputField())}, "Pick the team."
)
RULES = """Pick the team.

- team: "alpha" in 10 of 20 texts; signs: stove 5/5, oven 4/4
- team: "beta" in 10 of 20 texts; signs: lawn 5/5, hedge 4/4"""


def test_a_rule_in_the_instruction_is_followed():
    signature = TRIAGE.with_instructions(RULES)
    assert ask(signature, text="the lawn again").team == "beta"
    assert ask(signature, text="the stove again").team == "alpha"


def test_a_demo_is_imitated():
    demos = [{"text": "purple wombat dances", "team": "beta"}, {"text": "iron kettle sings", "team": "alpha"}]
    assert ask(TRIAGE, demos=demos, text="a purple wombat").team == "beta"
    assert ask(TRIAGE, demos=demos, text="an iron kettle").team == "alpha"


def test_a_label_s_own_words_are_a_hint():
    signature = dspy.make_signature(
        {"text": (str, dspy.InputField()), "topic": (Literal["billing_question", "broken_printer"], dspy.OutputField())}
    )
    assert ask(signature, text="my printer is broken").topic == "broken_printer"
    assert ask(signature, text="a question on billing").topic == "billing_question"


def test_rules_survive_writing_and_reading():
    knowledge = Knowledge()
    units = [(features(t, True), frozenset({v})) for t, v in [("hot stove", '"a"'), ("wet lawn", '"b"')] * 3]
    knowledge.observe("team", units)
    text = join("Human words.\n- stay", knowledge, 10)
    human, again = parse(text)
    assert human == "Human words.\n- stay"
    assert again.seen == knowledge.seen
    assert again.render() == knowledge.pruned(10).render()
    _, doubled = parse(text + "\n" + text)
    assert doubled.tables["team", '"a"'].count == 2 * again.tables["team", '"a"'].count


def reflect(current, examples):
    signature = dspy.make_signature(
        {
            "current_instruction": (str, dspy.InputField()),
            "examples_with_feedback": (list[dict], dspy.InputField()),
            "new_instruction": (str, dspy.OutputField()),
        }
    )
    return ask(signature, "json", "large", current_instruction=current, examples_with_feedback=examples).new_instruction


def test_the_reflector_learns_from_feedback_and_keeps_what_people_wrote():
    examples = [
        {
            "Inputs": {"text": f"{thing} number {i}"},
            "Generated Outputs": {"team": "alpha"},
            "Feedback": f'- team: wrong - expected "{team}", got "alpha" (score 0.00).',
        }
        for i, (thing, team) in enumerate([("stove", "alpha"), ("lawn", "beta")] * 4)
    ]
    new = reflect("Pick the team.", examples)
    assert new.startswith("Pick the team.\n")
    assert ask(TRIAGE.with_instructions(new), text="that lawn").team == "beta"
    assert ask(TRIAGE.with_instructions(new), text="that stove").team == "alpha"
    assert reflect(new, examples).count('- Call team "beta"') == 1


def test_feedback_without_gold_teaches_nothing():
    examples = [{"Inputs": {"text": "x"}, "Generated Outputs": {"team": "alpha"}, "Feedback": "Could be better."}]
    assert reflect("Pick.", examples) == "Pick."


def test_the_same_request_gives_the_same_answer_on_any_thread_and_hash_seed():
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: ask(Everything, text="A red apple. A green pear fell fast!").toDict(), range(16))
        )
    assert all(answer == answers[0] for answer in answers)
    code = (
        "import sys; sys.path[:0] = ['.', 'tests/offline']\n"
        "from offline.rules import Knowledge, join\nfrom offline.text import features\n"
        "k = Knowledge(); k.observe('t', [(features(s, True), frozenset({v})) for s, v in "
        "[('a hot stove here', '1'), ('a wet lawn there', '2')]]); print(join('x', k, 9))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=HOME, check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(outputs) == 1


def test_it_reports_tokens():
    engine = OfflineEngine("large")
    request = Request(
        model="offline/large", system="s" * 400, messages=(Message(role="user", parts=(TextPart(text="u" * 400),)),),
        config=Config(),
    )  # fmt: skip
    assert engine.complete(request).usage.input_tokens == 200
    assert json.dumps(engine.dump_state()) == '{"size": "large"}'
    assert OfflineEngine.load_state({"size": "large"}).size == "large"


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match="sizes: small, large"):
        OfflineEngine("huge")


@pytest.mark.parametrize("better", [{"team": "alpha"}, {"N/A": "Prediction not available"}])
def test_it_advises_a_module_as_simba_asks_for_it_and_advice_on_several_rows_adds_up(better):
    """Two runs of a program on one row: what the row shows becomes a rule that the student follows."""

    def advice(text, right, wrong):
        trajectory = [{"module_name": "pick", "inputs": {"text": text}, "outputs": {"team": wrong}}]
        given = {
            "program_code": "class P: ...", "modules_defn": "-", "program_inputs": {"text": text},
            "oracle_metadata": {"team": right}, "module_names": ["pick"], "worse_program_trajectory": trajectory,
            "worse_program_outputs": {"team": wrong}, "worse_reward_info": {}, "better_program_trajectory": [],
            "better_program_outputs": better, "better_reward_info": {},
        }  # fmt: skip
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
        with dspy.context(lm=model("large"), adapter=make_adapter("chat")):
            asked = dspy.Predict(OfferFeedback)
            texts["module_names"] = ["pick"]
            return asked(**texts, worse_reward_value=0.0, better_reward_value=1.0).module_advice["pick"]

    rows = [("the pump leaks", "alpha", "beta"), ("a pump broke", "alpha", "beta"), ("an invoice", "beta", "alpha")]
    rows += [("the invoice came", "beta", "alpha")]
    rules = "\n\n".join(advice(*row) for row in rows)
    _, knowledge = parse(rules)
    assert knowledge.tables["team", '"alpha"'].signs["pump"] == [2, 2]
    counts = {value: knowledge.tables["team", value].count for value in knowledge.values("team")}
    assert (counts, knowledge.seen["team"]) == ({'"alpha"': 2, '"beta"': 2}, 4)  # what was wrong was seen as well
    told = TRIAGE.with_instructions(f"Pick the team.\n\n{rules}")
    assert [ask(told, text=text).team for text in ("our pump is loud", "one more invoice")] == ["alpha", "beta"]


def test_without_a_right_answer_the_better_run_is_what_to_do():
    from offline.reflector import advise

    given = {"module_names": '["a", "b"]', "program_inputs": '{"text": "red"}', "better_program_outputs": '{"x": "y"}'}
    trajectory = '[{"module_name": "a", "outputs": {"x": "y"}}, {"module_name": "b", "outputs": {"z": 1}}]'
    told = advise({**given, "better_program_trajectory": trajectory, "worse_program_outputs": "{}"})
    assert '- Call x "y" when it says red (1/1). Right in 1 of 1 texts.' in told["a"]
    assert told["b"] == "Answer as the examples with the higher reward do."
    assert advise({"module_names": "broken", "program_inputs": "{"}) == {}
