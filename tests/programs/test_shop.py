"""The shop: it does what it is told, its ends are exact, and the sixty errands have the ends that gold says."""

import json
import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from core.plain import canonical
from data.corpus import read_corpus
from programs.sgr_agent import ToolError
from programs.shop import Shop, ShopSuccess
from programs.shop.tools import (
    AddToBasket,
    ApplyCoupon,
    CancelOrder,
    CheckLimits,
    CheckPermission,
    CheckStock,
    GetOrder,
    PlaceOrder,
    RefundOrder,
)

PATH = Path(__file__).resolve().parents[2] / "corpora" / "shop.jsonl"
ROWS = read_corpus(PATH).rows
EACH = pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
STOCKED = {
    "products": {"mug-12": {"price": 8.0, "stock": 4}, "jug-23": {"price": 14.0, "stock": 9}},
    "coupons": {
        "SPRING20": {"percent": 20, "uses_left": 2, "smallest_order": 30},
        "JUG10": {"percent": 10, "uses_left": 1, "products": ["jug-23"]},
        "OLD50": {"percent": 50, "uses_left": 0},
    },
    "orders": {
        "#1001": {"items": {"mug-12": 1}, "status": "open", "refused": {"cancel": "it was sold as final"}},
        "#1002": {"items": {"mug-12": 1}, "status": "delivered"},
    },
}


def after(*calls):
    shop = Shop(STOCKED)
    return shop, [dict(shop.call(call)) for call in calls]


def mugs(count=4):
    return AddToBasket(tool="add_to_basket", product="mug-12", quantity=count)


def coupon(code):
    return ApplyCoupon(tool="apply_coupon", coupon=code)


PLACE = PlaceOrder(tool="place_order")


@pytest.mark.parametrize(
    ("calls", "paid"),
    [
        ((mugs(4), coupon("SPRING20"), PLACE), 25.6),
        ((mugs(3), coupon("SPRING20"), PLACE), 24.0),
        ((mugs(4), coupon("OLD50"), PLACE), 32.0),
        ((mugs(4), coupon("JUG10"), PLACE), 32.0),
        ((coupon("OLD50"), coupon("SPRING20"), mugs(4), PLACE), 25.6),
        ((mugs(40), PLACE), 320.0),
    ],
    ids=["within its limits", "too small an order", "used up", "for other products", "the last one counts", "oversold"],
)
def test_an_order_is_placed_as_told_and_a_coupon_beyond_its_limits_is_worth_nothing(calls, paid):
    shop, _ = after(*calls)
    assert [order["paid"] for order in shop.end_state()["placed"]] == [paid]


def test_lookups_tell_what_the_changes_do_not_ask():
    _, found = after(
        CheckStock(tool="check_stock", product="mug-12"),
        CheckLimits(tool="check_limits", coupon="OLD50"),
        mugs(3),
        CheckLimits(tool="check_limits", coupon="SPRING20"),
        CheckPermission(tool="check_permission", order="#1001", change="cancel"),
        GetOrder(tool="get_order", order="#1001"),
    )
    assert found[0] == {"in_stock": 4, "price": 8.0}
    assert (found[1]["usable"], found[1]["why"]) == (False, "it is used up")
    assert (found[3]["usable"], found[3]["why"]) == (False, "it needs a total of 30")
    assert found[4] == {"permitted": False, "why": "it was sold as final"}
    assert (found[5]["can_be_cancelled"], found[5]["can_be_refunded"]) == (True, False)


def test_a_change_is_made_whether_or_not_it_is_permitted():
    shop, _ = after(CancelOrder(tool="cancel_order", order="#1001"), RefundOrder(tool="refund_order", order="#1002"))
    assert shop.end_state() == {"placed": [], "changed": {"#1001": "cancelled", "#1002": "refunded"}}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (PLACE, "the basket is empty"),
        (coupon("NONE99"), "there is no coupon NONE99"),
        (CancelOrder(tool="cancel_order", order="#9999"), "there is no order #9999"),
    ],
)
def test_what_is_not_there_is_an_error_and_changes_nothing(call, said):
    shop = Shop(STOCKED)
    with pytest.raises(ToolError, match=re.escape(said)):
        shop.call(call)
    assert shop.end_state() == {"placed": [], "changed": {}}


def test_there_are_sixty_errands_with_every_kind_in_every_split():
    kinds = Counter((json.loads(line)["kind"], json.loads(line)["split"]) for line in PATH.read_text().splitlines())
    assert sum(kinds.values()) == 60
    for kind in ("plain", "stock", "coupon", "status", "permission"):
        assert min(kinds[kind, split] for split in ("train", "dev", "holdout")) >= 2
    assert sum(row.gold["impossible"] for row in ROWS) == 23


@EACH
def test_gold_can_be_reached_in_the_optimal_number_of_calls(row):
    """The calls that make gold's end, found from the end alone, and at most as many lookups as there are subjects."""
    end, shop = row.gold["end_state"], row.inputs["shop"]
    acts = [mugs_of(code, count) for order in end["placed"] for code, count in order["items"].items()]
    acts += [changing(number, status) for number, status in end["changed"].items()]
    ways = [[*acts, *used, *[PLACE] * len(end["placed"])] for used in coupons_for(shop, end)]
    reached = [way for way in ways if ended(shop, way) == canonical(end)]
    assert reached
    calls = min(len(way) for way in reached) + 1
    subjects = re.findall(r"[a-z]+-\d\d|[A-Z]{3,}\d+|#\d{4}", row.inputs["request"])
    assert calls < row.gold["optimal_steps"] <= calls + 2 * len(set(subjects)) + 2 * row.gold["impossible"]


def mugs_of(code, count):
    return AddToBasket(tool="add_to_basket", product=code, quantity=count)


def changing(number, status):
    if status == "cancelled":
        return CancelOrder(tool="cancel_order", order=number)
    return RefundOrder(tool="refund_order", order=number)


def coupons_for(shop, end):
    return [[], *([coupon(code)] for code in shop.get("coupons", {}) if end["placed"])]


def ended(shop, calls):
    world = Shop(shop)
    for call in calls:
        world.call(call)
    return canonical(world.end_state())


@EACH
def test_gold_itself_succeeds_and_doing_nothing_succeeds_only_where_a_refusal_is_right(row):
    assert ShopSuccess().judge(row, row.gold).score == 1.0
    idle = {"outcome": "refused", "end_state": {"placed": [], "changed": {}}, "steps": []}
    assert ShopSuccess().judge(row, idle).score == float(row.gold["impossible"])
    assert row.gold["impossible"] == (row.gold["outcome"] == "refused")


@pytest.mark.parametrize(("state", "report"), [*product((True, False), repeat=2)])
def test_a_session_succeeds_only_with_the_right_end_and_the_right_report(state, report):
    row = next(row for row in ROWS if row.id == "shop:plain-1")
    said = {
        "outcome": row.gold["outcome"] if report else "refused",
        "end_state": row.gold["end_state"] if state else {"placed": [], "changed": {}},
    }
    judgement = ShopSuccess().judge(row, said)
    assert judgement.score == float(state and report)
    assert judgement.fields == {"state": float(state), "report": float(report)}


def test_feedback_names_the_call_that_was_made_blindly_and_what_spoke_against_it():
    row = next(row for row in ROWS if row.id == "shop:coupon-1")
    blind = [
        {"tool": "add_to_basket", "arguments": {"product": "mug-12", "quantity": 3}, "result": {}},
        {"tool": "apply_coupon", "arguments": {"coupon": "SPRING20"}, "result": {}},
    ]
    said = {"outcome": "done", "end_state": {"placed": [], "changed": {}}, "steps": blind}
    assert "apply_coupon was called without check_limits" in ShopSuccess().judge(row, said).feedback
    looked = [{"tool": "check_limits", "arguments": {"coupon": "SPRING20"}, "result": {}}, *blind]
    assert "without" not in ShopSuccess().judge(row, {**said, "steps": looked}).feedback
