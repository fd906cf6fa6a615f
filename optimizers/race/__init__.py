"""A search of our own: a policy that is asked and told, an executor that keeps workers busy, and who writes edits."""

from optimizers.race.optimizer import Race

__all__ = ["Race"]
