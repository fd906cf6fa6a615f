"""Which cells and which rows a matrix has: prompts and models of the task file, rows outside the holdout."""

from __future__ import annotations

from dataclasses import dataclass

import dspy

from calls.models import ModelSpec, find_model, load_models
from calls.wire import with_known_price
from core.candidate import ProgramPrompts
from core.errors import ConfigError, DataError, Problem
from core.plain import digest
from core.workspace import Workspace
from data.corpus import Row
from data.transcripts import Transcript, parse_text
from programs.prompts import apply_prompts
from tasks.production import ReadPrompt, production_prompts, variant
from tasks.task import Task
from tracking.store import Store


@dataclass(frozen=True)
class CellPlan:
    """One cell to be filled."""

    prompt: str
    spec: ModelSpec
    prompts: ProgramPrompts
    program: dspy.Module

    @property
    def model(self) -> str:
        """The model's alias."""
        return self.spec.alias

    @property
    def name(self) -> str:
        """``prompt @ model``."""
        return f"{self.prompt} @ {self.model}"


@dataclass(frozen=True)
class Grid:
    """All cells of a matrix, the cell that the others are compared with, and who writes missing references."""

    cells: tuple[CellPlan, ...]
    baseline: str
    author: CellPlan
    notes: tuple[str, ...] = ()


def make_grid(task: Task, workspace: Workspace, store: Store, read_prompt: ReadPrompt) -> Grid:
    """Resolve prompts and models of a task file.

    Raises:
        ConfigError: If a prompt cannot be resolved, or names a predictor that is not there.
        UsageError: If a model is unknown.
    """
    config, notes = task.config, list[str]()
    production = production_prompts(task, workspace, store, read_prompt, notes)
    prompts = {name: variant(production, text, f"prompts.{name}") for name, text in config.prompts.items()}
    aliases = load_models(workspace.models)
    names = config.models.candidates or (config.models.student,)
    specs = {name: with_known_price(find_model(name, aliases)) for name in names}
    author_name = config.reference.model or (config.judge.model if config.judge else None) or config.models.reflector
    author = with_known_price(find_model(author_name, aliases))
    cells = tuple(
        CellPlan(name, spec, chosen, apply_prompts(task.program, chosen))
        for name, chosen in prompts.items()
        for spec in specs.values()
    )
    wanted = config.matrix.baseline or (author_name if author_name in specs else names[0])
    if wanted not in specs:
        raise ConfigError(
            [Problem("configuration", None, "matrix.baseline", f"{wanted!r} is not one of models: {[*specs]}")]
        )
    if config.reference.model and config.matrix.baseline is None and wanted != author_name:
        notes.append(
            f"{author_name} writes missing references but is not one of models, so cells are compared with {wanted}, "
            "the first of models; matrix.baseline names another"
        )
    chosen = prompts[config.reference.prompt]
    return Grid(
        cells,
        f"{config.reference.prompt} @ {specs[wanted].alias}",
        CellPlan(config.reference.prompt, author, chosen, apply_prompts(task.program, chosen)),
        tuple(notes),
    )


def choose_rows(task: Task) -> tuple[Row, ...]:
    """The rows of a matrix: outside the holdout, with enough messages of people, as many as the task file says.

    Which ones are taken depends on their texts alone; they stay in the order of the corpus.

    Raises:
        DataError: If none is left.
    """
    section = task.config.corpus
    texts = available_rows(task)
    taken = sorted(texts, key=lambda i: (digest(texts[i]), i))[: section.count]
    if not taken:
        raise DataError(
            f"{task.corpus.path}: no row outside the holdout has {section.min_user_messages} messages of people",
            hint="lower corpus.min_user_messages",
        )
    chosen = set(taken)
    return tuple(row for row in task.corpus.rows if row.id in chosen)


def available_rows(task: Task) -> dict[str, str]:
    """The text of every row that a matrix may take, by id: outside the holdout, with enough messages of people.

    A task that only a judge could score, and whose rows have no reference, cannot be optimised, so it has no holdout to
    keep closed: all of its rows are there.
    """
    closed = {row.id for row in task.splits.holdout} if keeps_holdout(task) else set[str]()
    least = task.config.corpus.min_user_messages
    texts = {row.id: "\n".join(map(str, row.inputs.values())) for row in task.corpus.rows if row.id not in closed}
    if not least:
        return texts
    return {i: text for i, text in texts.items() if Transcript(i, parse_text(text), i).user_messages >= least}


def keeps_holdout(task: Task) -> bool:
    """Whether the rows of the holdout stay out of a matrix."""
    return not task.judges or any(row.gold for row in task.corpus.rows)


def _bad(key: str, message: str) -> ConfigError:
    return ConfigError([Problem("configuration", None, key, message)])
