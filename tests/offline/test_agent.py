"""The embedded model as an agent: it takes its decisions from the words of its instruction, whatever they are."""

import json
from pathlib import Path

import dspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import read_corpus
from offline import OfflineEngine
from offline.agent import tools_of
from offline.guidelines import ToolSpec, preferences
from offline.reflector import reflect
from programs.prompts import make_adapter
from programs.shop import ShopAgent, ShopSuccess
from programs.shop.agent import ShopStep, TakeShopStep

ROWS = read_corpus(Path(__file__).resolve().parents[2] / "corpora" / "shop.jsonl").rows
CHAT = make_adapter("chat")
LIMITS, STOCK, ORDER, PERMISSION = "check_limits", "check_stock", "get_order", "check_permission"


@pytest.fixture(scope="module")
def tools():
    return tools_of(json.dumps(ShopStep.model_json_schema()))


def wished(text, tools):
    return {name: round(wish) or 0.5 * wish for name, wish in preferences(text, tools).lookups.items()}


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("Check limits first", {LIMITS: 1}),
        ("Never apply a coupon without checking its limits.", {LIMITS: 1}),
        ("Do not put a coupon on the basket until you have checked it.", {LIMITS: 1}),
        ("Check limits first and never skip the stock check.", {LIMITS: 1, STOCK: 1}),
        ("Don't check stock and check limits.", {LIMITS: 1, STOCK: -1}),
        ("1. Skip the stock check\n2. Check the stock after all", {STOCK: 1}),
        ("Checking stock is not necessary.", {STOCK: -1}),
        ("The stock check can be skipped.", {STOCK: -1}),
        ("Never look anything up", {LIMITS: -1, STOCK: -1, ORDER: -1, PERMISSION: -1}),
        ("Check everything before you act.", {LIMITS: 1, STOCK: 1, ORDER: 1, PERMISSION: 1}),
        ("Be friendly", {}),
        ("Think step by step and double-check your work.", {}),
        ("Do not apply coupons that are used up.", {}),
        (TakeShopStep.instructions, {STOCK: 1, ORDER: 1}),
    ],
)
def test_a_text_wishes_for_lookups_by_its_words(tools, text, wish):
    assert wished(text, tools) == wish


NEW = [
    ("Before a coupon goes on the basket, look up its limits.", LIMITS, 1),
    ("Consult the coupon's restrictions ahead of applying it.", LIMITS, 1),
    ("First inspect what a voucher is still good for, then apply it.", LIMITS, 1),
    ("Don't apply a promo code unless you have verified it.", LIMITS, 1),
    ("Every discount code must be validated before it is used.", LIMITS, 1),
    ("It is essential to review coupon conditions.", LIMITS, 1),
    ("There is no need to check the stock.", STOCK, -1),
    ("Put products into the basket without checking availability.", STOCK, -1),
    ("Refrain from inspecting inventory.", STOCK, -1),
    ("Save time: leave out all lookups.", STOCK, -1),
    ("Trust your memory instead of looking things up.", STOCK, -1),
    ("Verify that the person has the right to change the order.", PERMISSION, 1),
    ("Ensure authorization prior to any cancellation.", PERMISSION, 1),
    ("Use simple words.", None, 0),
    ("Sign every message with the shop's name.", None, 0),
    ("Stay calm when a customer is angry.", None, 0),
    ("Write in the present tense.", None, 0),
]
"""Written after the reading was finished, and left as they are: what it has not seen."""


def test_paraphrases_that_it_was_not_made_for_are_mostly_understood_and_none_the_wrong_way_round(tools):
    read = [(wished(text, tools).get(name, 0) if name else len(wished(text, tools)), sign) for text, name, sign in NEW]
    assert sum(found == sign for found, sign in read) >= 14
    assert all(found * sign >= 0 for found, sign in read)
    assert all(found == 0 for found, sign in read if sign == 0)


def test_tools_of_quite_another_trade_are_understood_by_their_own_words():
    tools = (
        ToolSpec("check_allergies", "Look up what a patient is allergic to.", {"patient": {}}),
        ToolSpec("check_dose", "Look up the largest dose of a medicine for a weight.", {"medicine": {}}),
        ToolSpec("prescribe", "Prescribe a medicine.", {"patient": {}, "medicine": {}}),
        ToolSpec("finish", "End the visit.", {}),
    )
    assert preferences("Never prescribe without verifying allergies.", tools).lookups == {"check_allergies": 1.0}
    assert preferences("Dose checks are unnecessary.", tools).lookups == {"check_dose": -1.0}
    assert preferences("Smile.", tools).lookups == {}


@settings(max_examples=40, deadline=None)
@given(request=st.text(max_size=120), so_far=st.text(max_size=120), instruction=st.text(min_size=1, max_size=120))
def test_no_text_keeps_it_from_a_valid_step(request, so_far, instruction):
    agent = ShopAgent()
    agent.step.signature = agent.step.signature.with_instructions(instruction)
    with dspy.context(lm=dspy.LM("offline/small", engine=OfflineEngine("small"), cache=False), adapter=CHAT):
        assert isinstance(agent.step(request=request, steps_so_far=so_far).next_step, ShopStep)


def test_forbidding_refusals_and_whole_actions_is_heard(tools):
    assert preferences("Never refuse a customer.", tools).never_refuse
    assert not preferences("Refuse what cannot be done.", tools).never_refuse
    assert preferences("Never use coupons.", tools).shunned == {"apply_coupon"}


def success(*guidelines, trials=2):
    scores = scored(*guidelines, trials=range(trials))
    return sum(scores) / len(scores)


def scored(*guidelines, trials=(0,), rows=ROWS):
    agent = ShopAgent()
    if guidelines:
        text = "\n".join(f"{number}. {text}" for number, text in enumerate(guidelines, 1))
        told = f"{agent.step.signature.instructions}\n\nGuidelines:\n{text}"
        agent.step.signature = agent.step.signature.with_instructions(told)
    scores = []
    for trial in trials:
        lm = dspy.LM("offline/small", engine=OfflineEngine("small"), cache=False, seed=trial)
        with dspy.context(lm=lm, adapter=make_adapter("chat")):
            scores += [ShopSuccess().judge(row, dict(agent(**row.inputs))).score for row in rows]
    return scores


@pytest.fixture(scope="module")
def baseline():
    return success(trials=3)


def test_without_a_guideline_it_does_little_more_than_half_of_the_errands(baseline):
    assert 0.5 <= baseline <= 0.65


@pytest.mark.parametrize(
    ("guideline", "low", "high"),
    [
        ("Don't apply a promo code unless you have verified it.", 0.12, 0.35),
        ("Stay calm when a customer is angry.", -0.08, 0.08),
        ("Put products into the basket without checking availability.", -0.4, -0.15),
        ("Never refuse a customer.", -0.6, -0.3),
    ],
    ids=["right", "useless", "harmful", "obliging"],
)
def test_a_guideline_changes_success_by_what_it_says(baseline, guideline, low, high):
    assert low <= success(guideline) - baseline <= high


def test_repeats_of_a_session_differ_and_the_same_repeat_does_not():
    hard = [row for row in ROWS if "coupon" in row.id or "permission" in row.id]
    assert scored(rows=hard) == scored(rows=hard)
    assert len({tuple(scored(trials=(trial,), rows=hard)) for trial in range(3)}) > 1


def test_the_reflector_makes_a_guideline_of_what_feedback_says_was_left_out():
    missed = "The session failed.\napply_coupon was called without check_limits: SPRING20 is used up."
    rows = [{"Inputs": {"request": f"r{i}"}, "Generated Outputs": {}, "Feedback": missed} for i in range(3)]
    once = reflect("Do errands.", rows, keep=9, pairs=True, output=None)
    assert once == "Do errands.\n\nGuidelines:\n1. Call check_limits before apply_coupon."
    assert reflect(once, rows, keep=9, pairs=True, output=None) == once
    other = [{**rows[0], "Feedback": "cancel_order was called without check_permission: it is not allowed."}]
    assert reflect(once, other, keep=9, pairs=True, output=None).endswith(
        "\n2. Call check_permission before cancel_order."
    )
