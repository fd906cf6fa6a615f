"""The records of a prompt x model matrix and of a judge's card: frozen, scores in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.evaluation import Evaluation, Usage


class ComparisonOutcome(StrEnum):
    """How a cell compares with the reference cell, on the same rows."""

    REFERENCE = "reference"
    EQUAL = "equal"
    BETTER = "better"
    GOOD_ENOUGH = "good enough"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class ScoreEstimate:
    """A measured number with its interval; ``n`` is what it was measured on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class CriterionInfo:
    """One weighted line of the rubric; weights are shares of 1."""

    name: str
    weight: float
    description: str = ""


@dataclass(frozen=True)
class CellComparison:
    """The paired comparison of a cell with the reference cell.

    ``low`` and ``high`` bound the mean difference (cell minus reference) at a level corrected for the number of cells.
    ``needed`` is about how many rows would settle a verdict of *cannot tell*; None where none would. ``likely`` is the
    probability that the cell is at most the margin worse than the reference (:func:`stats.likely.probability_above`).
    *equal* means that every output is, to the letter, that of the reference cell.
    """

    outcome: ComparisonOutcome
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    needed: int | None = None
    reason: str = ""
    likely: float | None = None


@dataclass(frozen=True)
class Cell:
    """One prompt on one model over all rows.

    Attributes:
        prompt: The prompt's name in the task file.
        model: The model's alias.
        prompt_hash: What exactly was sent.
        evaluation: Every row with its output, its score, its criteria (``fields``) and the judge's words
            (``feedback``); ``usage`` and ``latency`` of a row are those of the cell's own call, not of the judge.
            Failed rows are in it, unscored.
        companions: Means of the deterministic measures beside the judge, such as ``compression``.
        comparison: How it compares with the reference cell.
        score: Mean score with its interval; None when no row was scored.
        cost_per_1000: US dollars for a thousand rows; None when unknown.
        latency: Median seconds of one row; None when nothing was answered.
        on_front: Whether no other cell is at least as good and cheaper.
        stopped: Why it was not run on all rows (racing); empty when it was.
        stale: Which stored rows are left out because they are of an earlier prompt, model, row or judge; else empty.
        defects: What makes it unfit whatever its score, such as a copied input; such a cell is never recommended.
    """

    prompt: str
    model: str
    prompt_hash: str
    evaluation: Evaluation
    comparison: CellComparison
    score: ScoreEstimate | None
    cost_per_1000: float | None
    latency: float | None
    companions: Mapping[str, float] = field(default_factory=dict[str, float])
    on_front: bool = False
    stopped: str = ""
    stale: str = ""
    defects: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``prompt @ model``."""
        return f"{self.prompt} @ {self.model}"


@dataclass(frozen=True)
class JudgeCard:
    """What a judge can be trusted with. ``None`` means not measured.

    Attributes:
        judge: Its name and model.
        rows: How many rows it was examined on.
        spearman: Rank correlation with human or gold scores.
        kappa: Quadratically weighted kappa with them, over tenths.
        flip_rate: Share of pairs whose preference changes with the order of presentation.
        order_bias: Mean score shown second minus mean score shown first.
        noise: Standard deviation of a score when the same judgement is really repeated.
        self_score: The reference judged against itself; 1 is a fair judge.
        resolvable: The smallest lift that this judge's noise lets so many rows show with 80 % power.
        failed: Judgements that gave no usable score.
        notes: What a reader must know, such as that the judge is the offline stand-in.
    """

    judge: str
    rows: int
    spearman: ScoreEstimate | None = None
    kappa: ScoreEstimate | None = None
    flip_rate: ScoreEstimate | None = None
    order_bias: ScoreEstimate | None = None
    noise: ScoreEstimate | None = None
    self_score: ScoreEstimate | None = None
    resolvable: float | None = None
    failed: int = 0
    notes: tuple[str, ...] = ()
    preference: ScoreEstimate | None = None
    """Share of people's preferences between two answers that its scores agree with; equal scores count half."""
    points: tuple[tuple[float, float], ...] = ()
    """(human or gold score, the judge's score) of each output that has both, as they went into the agreement."""


@dataclass(frozen=True)
class RaceInfo:
    """What racing saved: outputs of cells that were stopped because they were clearly dominated."""

    planned: int
    made: int
    stopped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """The whole outcome of one matrix; a report needs nothing else."""

    run_id: str
    task: str
    description: str
    started_at: str
    seconds: float
    metric: str
    criteria: tuple[CriterionInfo, ...]
    reference: str
    """Name of the cell that the others are compared with."""
    cells: tuple[Cell, ...]
    margin: float
    """How much worse than the reference is still good enough, on the [0, 1] scale."""
    alpha: float
    cheapest: str | None = None
    """Name of the cheapest cell that is better or good enough."""
    judge: JudgeCard | None = None
    race: RaceInfo | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict[str, Usage])
    corpus: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where the rows and the references came from."""
    offline: bool = False
    warnings: tuple[str, ...] = ()
    nominal: bool = False
    """Whether embedded models alone answered and judged, so that its money is nobody's."""
    available: int | None = None
    """How many rows this corpus could give to a matrix; None where that was not recorded."""
