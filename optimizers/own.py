"""A person's own optimiser: ``module:Name`` from the workspace, an instance or a class."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from calls.failures import describe_error
from core.own_code import mistake, own_code
from optimizers.base import Optimizer

KEY = "optimizer.name"


def own_optimizer(path: str, root: Path) -> Optimizer:
    """Make the optimiser that ``module:Name`` stands for.

    It is what :class:`optimizers.base.Optimizer` says, with ``name`` and ``run``; a run that was interrupted is
    continued by running it again, so it takes all its chance from ``search.seed``.

    Raises:
        ConfigError: If it cannot be loaded or made, has no name of letters, digits, ``-`` and ``_``, or no ``run``.
    """
    found = own_code(path, KEY, root)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            said = f"{type(error).__name__}: {describe_error(error)}"
            raise mistake(KEY, f"{path} cannot be made: {said}") from error
    made: Any = found
    if not callable(getattr(made, "run", None)):
        raise mistake(KEY, f"{path} is no optimiser: it has no run(search)", "see docs/extending.md")
    name = getattr(made, "name", None)
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        raise mistake(KEY, f"{path} needs a name of letters, digits, - and _; received {name!r}")
    return made


def own_source(optimizer: Optimizer) -> str:
    """The text of the file that an own optimiser stands in; what it finds depends on it."""
    return Path(inspect.getfile(type(optimizer))).read_text("utf-8")
