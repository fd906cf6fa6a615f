"""Whether a session in the shop succeeded: its end state and its report, to the letter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.evaluation import Judgement
from core.plain import canonical
from data.corpus import Row
from programs.shop.world import CHANGEABLE


class ShopSuccess:
    """1 where the shop ends as it should and the agent says so, else 0; there is no half success.

    Gold: ``outcome`` (done or refused), ``end_state``, ``impossible`` and ``optimal_steps``. Feedback says what is
    wrong with the end, and which calls were made without looking up what stood against them.
    """

    name = "shop success"

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Judge one session."""
        gold, got = row.gold, dict(prediction)
        state = float(canonical(got.get("end_state")) == canonical(gold["end_state"]))
        report = float(got.get("outcome") == gold["outcome"])
        steps = got.get("steps") or []
        companions = {"steps": float(len(steps))} if steps else {}
        fields = {"state": state, "report": report}
        return Judgement(min(state, report), fields, "\n".join(_feedback(row, got, fields)), companions)


def _feedback(row: Row, got: Mapping[str, Any], fields: Mapping[str, float]) -> Iterator[str]:
    steps: Sequence[Mapping[str, Any]] = got.get("steps") or []
    if min(fields.values()) == 1.0:
        yield f"The session succeeded in {len(steps)} calls; {row.gold['optimal_steps']} are enough."
        return
    yield "The session failed."
    if not fields["state"]:
        wanted, was = canonical(row.gold["end_state"]), canonical(got.get("end_state"))
        yield f"The shop should have ended as {wanted} and ended as {was}."
    if not fields["report"]:
        yield f"It was reported as {got.get('outcome')}; right is {row.gold['outcome']}."
    yield from _blind_calls(row.inputs["shop"], steps)


def _blind_calls(shop: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Calls that something spoke against which had not been looked up."""
    asked = {(step["tool"], next(iter(step["arguments"].values()), None)) for step in steps}
    for step in steps:
        name, arguments = step["tool"], step["arguments"]
        subject = next(iter(arguments.values()), None)
        for lookup, fact in _against(shop, name, arguments):
            if (lookup, subject) not in asked:
                yield f"{name} was called without {lookup}: {fact}."


def _against(shop: Mapping[str, Any], name: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The lookups that would have spoken against a call, each with what it would have said."""
    product = shop.get("products", {}).get(arguments.get("product"))
    coupon = shop.get("coupons", {}).get(arguments.get("coupon"))
    order = shop.get("orders", {}).get(arguments.get("order"))
    if name == "add_to_basket" and product and product["stock"] < arguments["quantity"]:
        yield "check_stock", f"only {product['stock']} of {arguments['product']} are in stock"
    if name == "apply_coupon" and coupon and _limited(coupon):
        yield "check_limits", f"{arguments['coupon']} cannot be used on everything and for ever"
    changed = {"cancel_order": "cancelled", "refund_order": "refunded"}.get(name)
    if changed and order:
        if order["status"] != CHANGEABLE[changed]:
            yield "get_order", f"{arguments['order']} is {order['status']} and cannot be {changed}"
        why = order.get("refused", {}).get(name.partition("_")[0])
        if why:
            yield "check_permission", f"it is not permitted to have {arguments['order']} {changed}, because {why}"


def _limited(coupon: Mapping[str, Any]) -> bool:
    return coupon["uses_left"] < 1 or bool(coupon.get("smallest_order")) or bool(coupon.get("products"))
