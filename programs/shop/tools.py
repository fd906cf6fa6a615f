"""The shop's tools as the model sees them: five that look something up, five that change something, one that reports.

A tool's docstring and its fields' descriptions are product text.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from programs.sgr_agent import Tool

Product = Annotated[str, Field(pattern=r"^[a-z]+-\d{2}$", description="the product's code, such as mug-12")]
Coupon = Annotated[str, Field(pattern=r"^[A-Z]+\d{1,2}$", description="the coupon's code, such as SPRING20")]
Order = Annotated[str, Field(pattern=r"^#\d{4}$", description="the order's number, such as #1042")]


class CheckStock(Tool):
    """Look up how many pieces of a product are in stock, and its price."""

    tool: Literal["check_stock"]
    product: Product


class CheckLimits(Tool):
    """Look up the limits of a coupon: how often it can still be used, the smallest total, the products it is for."""

    tool: Literal["check_limits"]
    coupon: Coupon


class GetOrder(Tool):
    """Look up an order: what was bought, and its status."""

    tool: Literal["get_order"]
    order: Order


class CheckPermission(Tool):
    """Look up whether whoever asks is permitted to have an order changed in this way."""

    tool: Literal["check_permission"]
    order: Order
    change: Literal["cancel", "refund"]


class AddToBasket(Tool):
    """Put pieces of a product into the basket, to buy them."""

    tool: Literal["add_to_basket"]
    product: Product
    quantity: int = Field(ge=1)


class ApplyCoupon(Tool):
    """Put a coupon on the basket; what it is worth is settled when the order is placed."""

    tool: Literal["apply_coupon"]
    coupon: Coupon


class PlaceOrder(Tool):
    """Buy what is in the basket."""

    tool: Literal["place_order"]


class CancelOrder(Tool):
    """Cancel an order."""

    tool: Literal["cancel_order"]
    order: Order


class RefundOrder(Tool):
    """Refund an order: the money goes back."""

    tool: Literal["refund_order"]
    order: Order


class ReportCompletion(Tool):
    """Report how the task ended. This ends the session."""

    ends = True

    tool: Literal["report_completion"]
    outcome: Literal["done", "refused"]
    message: str


AnyTool = Annotated[
    CheckStock
    | CheckLimits
    | GetOrder
    | CheckPermission
    | AddToBasket
    | ApplyCoupon
    | PlaceOrder
    | CancelOrder
    | RefundOrder
    | ReportCompletion,
    Field(discriminator="tool"),
]
