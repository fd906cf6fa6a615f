"""The shop: a state machine that does what it is told, as the tools of staff do, and remembers what it did.

Nothing stops a session from overselling, from using up a coupon for nothing or from changing an order against the
rules. Whoever looks first knows better; the end state shows who did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from programs.sgr_agent import ToolError
from programs.shop import tools

CHANGEABLE = {"cancelled": "open", "refunded": "delivered"}
"""The status that an order must have in order to get another one."""


class Shop:
    """One session's shop.

    Args:
        shop: ``products``: code to ``{price, stock}``; ``coupons``: code to ``{percent, uses_left, smallest_order,
            products}``, the last two optional; ``orders``: number to ``{items, status, refused}``, where ``refused``
            says why a change (``cancel`` or ``refund``) is not permitted. All three optional.
    """

    def __init__(self, shop: Mapping[str, Any]) -> None:
        self.products: dict[str, Any] = dict(shop.get("products", {}))
        self.coupons: dict[str, Any] = dict(shop.get("coupons", {}))
        self.orders: dict[str, Any] = dict(shop.get("orders", {}))
        self.basket: dict[str, int] = {}
        self.coupon: str | None = None
        self.placed: list[dict[str, Any]] = []
        self.changed: dict[str, str] = {}

    def call(self, tool: Any) -> Mapping[str, Any]:
        """Carry out one call.

        Raises:
            ToolError: If what it names is not there, or there is nothing to order.
        """
        return _DOES[tool.tool](self, tool)

    def end_state(self) -> dict[str, Any]:
        """Orders placed, with what was paid for each, and orders changed."""
        return {"placed": self.placed, "changed": self.changed}

    def total(self) -> float:
        """What the basket costs without a coupon."""
        return round(sum(self.products[code]["price"] * count for code, count in self.basket.items()), 2)

    def coupon_refused(self, code: str) -> str | None:
        """Why a coupon is worth nothing on this basket; None where it counts. An empty basket speaks against none."""
        coupon = self.coupons[code]
        if coupon["uses_left"] < 1:
            return "it is used up"
        goods = coupon.get("products")
        if goods and self.basket and not set(self.basket) <= set(goods):
            return f"it is only for {', '.join(goods)}"
        smallest = coupon.get("smallest_order", 0)
        if self.basket and self.total() < smallest:
            return f"it needs a total of {smallest:g}"
        return None

    def _check_stock(self, tool: tools.CheckStock) -> dict[str, Any]:
        product = _known(self.products, tool.product, "product")
        return {"in_stock": product["stock"], "price": product["price"]}

    def _check_limits(self, tool: tools.CheckLimits) -> dict[str, Any]:
        coupon = _known(self.coupons, tool.coupon, "coupon")
        why = self.coupon_refused(tool.coupon)
        limits = {"uses_left": coupon["uses_left"], "smallest_order": coupon.get("smallest_order", 0)}
        return {**limits, "only_for": coupon.get("products") or "everything", "usable": why is None} | _why(why)

    def _get_order(self, tool: tools.GetOrder) -> dict[str, Any]:
        order = _known(self.orders, tool.order, "order")
        status = self.changed.get(tool.order, order["status"])
        able = {f"can_be_{changed}": status == needed for changed, needed in CHANGEABLE.items()}
        return {"items": order["items"], "status": status, **able}

    def _check_permission(self, tool: tools.CheckPermission) -> dict[str, Any]:
        why = _known(self.orders, tool.order, "order").get("refused", {}).get(tool.change)
        return {"permitted": why is None} | _why(why)

    def _add_to_basket(self, tool: tools.AddToBasket) -> dict[str, Any]:
        _known(self.products, tool.product, "product")
        self.basket[tool.product] = self.basket.get(tool.product, 0) + tool.quantity
        return {"basket": dict(self.basket)}

    def _apply_coupon(self, tool: tools.ApplyCoupon) -> dict[str, Any]:
        _known(self.coupons, tool.coupon, "coupon")
        self.coupon = tool.coupon
        return {"coupon": tool.coupon, "settled": "with the order"}

    def _place_order(self, tool: tools.PlaceOrder) -> dict[str, Any]:
        if not self.basket:
            raise ToolError("the basket is empty")
        total = self.total()
        if self.coupon is not None and self.coupon_refused(self.coupon) is None:
            total = round(total * (1 - self.coupons[self.coupon]["percent"] / 100), 2)
        self.placed.append({"items": dict(self.basket), "paid": total})
        self.basket, self.coupon = {}, None
        return {"placed": True}

    def _cancel_order(self, tool: tools.CancelOrder) -> dict[str, Any]:
        return self._change(tool.order, "cancelled")

    def _refund_order(self, tool: tools.RefundOrder) -> dict[str, Any]:
        return self._change(tool.order, "refunded")

    def _change(self, number: str, status: str) -> dict[str, Any]:
        _known(self.orders, number, "order")
        self.changed[number] = status
        return {"order": number, "status": status}


_DOES: Mapping[str, Callable[[Shop, Any], dict[str, Any]]] = {
    "check_stock": Shop._check_stock,
    "check_limits": Shop._check_limits,
    "get_order": Shop._get_order,
    "check_permission": Shop._check_permission,
    "add_to_basket": Shop._add_to_basket,
    "apply_coupon": Shop._apply_coupon,
    "place_order": Shop._place_order,
    "cancel_order": Shop._cancel_order,
    "refund_order": Shop._refund_order,
}


def _known(things: Mapping[str, Any], name: str, kind: str) -> Any:
    if name not in things:
        raise ToolError(f"there is no {kind} {name}")
    return things[name]


def _why(why: str | None) -> dict[str, str]:
    return {} if why is None else {"why": why}
