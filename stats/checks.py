"""What every statistic asks of its input before it computes anything."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def finite_vector(values: Sequence[float] | Vector, *, name: str, at_least: int = 1) -> Vector:
    """Return the values as a one-dimensional float array.

    Args:
        values: Numbers; nothing missing.
        name: The noun for error messages.
        at_least: The smallest length accepted.

    Raises:
        ValueError: If there are too few values, more than one dimension, or a value that is not a finite number.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{name}: received {vector.ndim} dimensions, need a flat sequence of numbers")
    if vector.size < at_least:
        raise ValueError(f"{name}: received {vector.size} values, need at least {at_least}")
    if not np.isfinite(vector).all():
        place = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise ValueError(f"{name}: received {vector[place]} at position {place}, need finite numbers, none missing")
    return vector


def finite(value: float, *, name: str) -> float:
    """Return the value, or raise ValueError if it is infinite or not a number."""
    if not math.isfinite(value):
        raise ValueError(f"{name}: received {value}, need a finite number")
    return float(value)


def positive(value: float, *, name: str) -> float:
    """Return the value, or raise ValueError unless it is finite and above zero."""
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name}: received {value}, need a finite number above 0")
    return float(value)


def open_unit(value: float, *, name: str) -> float:
    """Return the value, or raise ValueError unless it lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name}: received {value}, need a number strictly between 0 and 1")
    return float(value)


def whole(value: int, *, name: str, at_least: int = 0) -> int:
    """Return the value as an int, or raise ValueError unless it is a whole number of at least ``at_least``."""
    if isinstance(value, bool) or value != int(value) or value < at_least:
        raise ValueError(f"{name}: received {value!r}, need a whole number of at least {at_least}")
    return int(value)
