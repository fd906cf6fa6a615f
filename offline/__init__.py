"""The embedded model: a deterministic stand-in for a language model, honest about being one."""

from offline.engine import SIZES, VERSION, OfflineEngine

__all__ = ["SIZES", "VERSION", "OfflineEngine"]
