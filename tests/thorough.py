"""Tests that run over many values: a few in every run of the suite, all of them with ``make slow``."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def thorough(values: Iterable[Any], quick: Callable[[Any], bool]) -> list[Any]:
    """The values as parameters; those that are not ``quick`` are left to ``make slow``."""
    return [value if quick(value) else pytest.param(value, marks=pytest.mark.slow) for value in values]
