"""The shop's agent: the schema-guided agent with the shop's tools and the seed instruction."""

from __future__ import annotations

import dspy
from pydantic import Field

from programs.sgr_agent import NextStep, SgrAgent
from programs.shop.tools import AnyTool
from programs.shop.world import Shop


class ShopStep(NextStep):
    """The next step of an errand."""

    call: AnyTool = Field(description="the one call to make now")


class TakeShopStep(dspy.Signature):
    """You do errands for customers of an online shop, one call at a time.

    Do exactly what the request asks for, and nothing else. Look up the stock of a product before you put it into the
    basket, and the status of an order before you change it. Where the request says what to do instead, do that. What
    cannot be done as the request wants it is not done: leave everything as it was and report that it was refused.
    """

    request: str = dspy.InputField(desc="what the customer wants")
    steps_so_far: str = dspy.InputField(desc="every call of this session and what came of it")
    next_step: ShopStep = dspy.OutputField(desc="the next step")


class ShopAgent(SgrAgent):
    """One errand in the shop: request and shop in, what was done and the shop's end state out."""

    def __init__(self) -> None:
        super().__init__(TakeShopStep, Shop)
