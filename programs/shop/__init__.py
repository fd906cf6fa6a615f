"""A small online shop to act on: the same calls always lead to the same end, which is checked exactly."""

from programs.shop.agent import ShopAgent
from programs.shop.success import ShopSuccess
from programs.shop.world import Shop

__all__ = ["Shop", "ShopAgent", "ShopSuccess"]
