"""The registry of hypotheses: what somebody expects of a guideline, and what an experiment has said to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import yaml
from pydantic import Field, ValidationError, field_validator

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem
from core.experiment import Experiment
from core.files import write_text
from core.lock import FileLock
from core.section import Section
from experiments.measures import MEASURES
from tasks.documents import read_document

FILE = Path("configs") / "hypotheses.yaml"


class OutcomeSection(Section):
    """What an experiment has said; written by the experiment."""

    decision: Literal["accept", "reject", "no decision"]
    run: str
    pairs: int
    saved: float


class Hypothesis(Section):
    """What somebody expects."""

    id: str = Field(min_length=1)
    description: str = ""
    guideline: str = Field(min_length=1)
    metric: str = "success_rate"
    method: Literal["sprt", "fixed", "eprocess", "SPRT"] = "sprt"
    expected_improvement: float = Field(gt=0, lt=1)
    outcome: OutcomeSection | None = None

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in MEASURES:
            near = did_you_mean(name, MEASURES.names)
            raise ValueError(f"unknown metric {name!r}; " + (near or f"known: {', '.join(MEASURES.names)}"))
        return name


class _Registry(Section):
    hypotheses: tuple[Hypothesis, ...] = ()


def read_hypotheses(root: Path) -> tuple[Hypothesis, ...]:
    """The hypotheses of a workspace; none where it has no registry.

    Raises:
        ConfigError: With every mistake in the file, and where one id stands twice.
    """
    path = root / FILE
    if not path.is_file():
        return ()
    document = read_document(path)
    try:
        found = _Registry.model_validate(document.values).hypotheses
    except ValidationError as error:
        problems = [_problem(detail, document.places, path) for detail in error.errors()]
        raise ConfigError(problems) from None
    twice = sorted({one.id for one in found if sum(other.id == one.id for other in found) > 1})
    if twice:
        raise ConfigError([Problem(str(path), None, "hypotheses", f"the id {twice[0]!r} stands there twice")])
    return found


def _problem(detail: Any, places: Any, path: Path) -> Problem:
    at = whole = tuple(str(part) for part in detail["loc"])
    while at and at not in places:
        at = at[:-1]
    return Problem(str(path), places.get(at, (str(path), None))[1], ".".join(whole), detail["msg"])


def note_outcome(root: Path, experiment: Experiment) -> bool:
    """Write what an experiment has said beside its hypothesis; whether the registry has that hypothesis.

    Comments above the first key of the file stay; the rest is written anew, under a lock and in one step.

    Raises:
        ConfigError: If the registry cannot be read.
        OutputError: If it cannot be written.
    """
    path = root / FILE
    if experiment.hypothesis is None or not path.is_file():
        return False
    with FileLock(str(path) + ".lock", timeout=30):
        known = read_hypotheses(root)
        if experiment.hypothesis not in {one.id for one in known}:
            return False
        said = {
            "decision": experiment.decision,
            "run": experiment.run_id,
            "pairs": experiment.pairs,
            "saved": round(experiment.saved, 3),
        }
        rows = [cast(dict[str, Any], one.model_dump(mode="json", exclude_none=True)) for one in known]
        for row in rows:
            if row["id"] == experiment.hypothesis:
                row["outcome"] = said
        text = path.read_text("utf-8")
        head = "".join(line for line in text.splitlines(keepends=True)[: _comments(text)])
        write_text(path, head + yaml.safe_dump({"hypotheses": rows}, sort_keys=False, allow_unicode=True, width=110))
    return True


def _comments(text: str) -> int:
    """How many lines at the top are comments or empty."""
    lines = text.splitlines()
    return next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
