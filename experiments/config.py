"""What an experiment's configuration may say, and how it is found, inherited and read - old Python files too."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, UsageError
from core.plain import digest
from core.section import Section
from stats import EDesign, SprtDesign
from tasks.documents import Document, override, read_document, without_dropped
from tasks.documents import merge as merged
from tasks.files import is_file

SUFFIXES = (".json", ".yaml", ".yml", ".py")
FOLDER = Path("configs") / "experiments"
MAX_PARENTS = 20
NAME = r"^[A-Za-z0-9][\w.-]{0,99}$"


class DesignSection(Section):
    """What the sequential test tells apart, and how surely."""

    p0: float = Field(default=0.5, gt=0, lt=1, description="Success rate that the control arm is expected to have.")
    effect: float = Field(default=0.15, gt=0, lt=1, description="Smallest improvement worth having; absolute.")
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="Chance to accept what is no better.")
    beta: float = Field(default=0.10, gt=0, lt=0.5, description="Chance to reject what is better by the effect.")
    n_max: int | None = Field(default=None, ge=1, description="Pairs after which there is no decision.")
    min_effect: float = Field(default=0.0, gt=-1, lt=1, description="What graded scores have to exceed (eprocess).")
    metric: str | None = Field(
        default=None,
        description="What pairs are compared in: success_rate, early_termination_rate, and for eprocess also score, "
        "cost, tokens, steps or latency; the method's own by default.",
    )

    @model_validator(mode="after")
    def _testable(self) -> DesignSection:
        SprtDesign(self.p0, self.effect, self.alpha, self.beta, self.n_max)
        EDesign(self.alpha, self.min_effect)
        return self


class ProgramProducer(Section):
    """Sessions by a DSPy program on the rows of a task, judged by the task's metric."""

    kind: Literal["program"]
    task: str = Field(description="A task's name or file: program, rows and metric.")
    sets: dict[str, Any] = Field(default_factory=dict, description="Overrides of the task file, as key: value.")
    rows: Literal["search", "all"] = Field(
        default="search", description="Train and dev rows, or all; the latter counts as an opening of the holdout."
    )
    trials: int = Field(default=1, ge=1, le=1000, description="How often each task is tried.")


class CommandProducer(Section):
    """Sessions by any program outside that prints a session as JSON; no shell is involved."""

    kind: Literal["command"]
    argv: tuple[str, ...] = Field(
        min_length=1, description="The program and its arguments; {task}, {trial} and {model_id} are filled in."
    )
    tasks: tuple[str, ...] = Field(min_length=1, description="What it is to be tried on.")
    trials: int = Field(default=1, ge=1, le=1000, description="How often each task is tried.")
    timeout: float = Field(default=300, gt=0, description="Seconds that one session may take.")


Producing = Annotated[ProgramProducer | CommandProducer, Field(discriminator="kind")]


class ExperimentConfig(Section):
    """One arm of an experiment."""

    experiment_id: str = Field(pattern=NAME)
    description: str = ""
    model_id: str | None = Field(default=None, description="An alias of models.yaml, or provider/model.")
    guidelines: tuple[str, ...] = Field(default=(), description="Appended to the instructions, in this order.")
    producer: Producing | None = None
    design: DesignSection = DesignSection()
    seed: int = Field(default=0, ge=0, description="Sets the order of the pairs.")
    retries: int = Field(default=2, ge=0, le=20, description="Further attempts where infrastructure failed.")
    hypothesis: str | None = Field(default=None, description="Id of the hypothesis that this arm tests.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of its sessions, such as learning_key.")

    @model_validator(mode="after")
    def _no_empty_guideline(self) -> ExperimentConfig:
        if any(not text.strip() for text in self.guidelines):
            raise ValueError("guidelines: one of them is empty")
        return self

    @property
    def config_hash(self) -> str:
        """Digest of everything that its sessions depend on; the design of the test is not among it."""
        return digest(self.model_dump(mode="json", include={"experiment_id", "model_id", "guidelines", "producer"}))


def load_experiment(path: str | Path, *, root: Path, sets: Sequence[str] = ()) -> ExperimentConfig:
    """Load a configuration with its parents and overrides.

    Args:
        path: A file (JSON, YAML or an old Python file), or the name of one in ``configs/experiments``.
        root: The workspace.
        sets: Overrides ``a.b=value``; the value is YAML, and ``DROP`` deletes the key.

    Raises:
        UsageError: If there is no such file, or an override is not of that form.
        ConfigError: With every mistake: a missing parent, a cycle of parents, an unknown key, a value out of range.
    """
    file = find_experiment(path, root)
    document = _with_parents(file, root, ())
    values, places = dict(document.values), dict(document.places)
    for text in sets:
        override(values, places, text)
    return _validated(without_dropped(values), places, str(file))


def config_of(values: Mapping[str, Any], sets: Sequence[str] = ()) -> ExperimentConfig:
    """A configuration without a file, with overrides.

    Raises:
        ConfigError: With every mistake found.
    """
    given: dict[str, Any] = dict(values)
    places: dict[tuple[str, ...], tuple[str, int | None]] = {}
    for text in sets:
        override(given, places, text)
    return _validated(without_dropped(given), places, "--set")


def find_experiment(name: str | Path, root: Path) -> Path:
    """The file of a configuration, by path or by name.

    Raises:
        UsageError: If there is none; the message lists those there are.
    """
    given = Path(name)
    for path in (given, root / given, *(root / FOLDER / f"{name}{suffix}" for suffix in SUFFIXES)):
        if path.suffix in SUFFIXES and is_file(path):
            return path
    known = sorted(p.stem for p in (root / FOLDER).glob("*") if p.suffix in SUFFIXES)
    raise UsageError(
        f"there is no experiment configuration {str(name)!r}; in {FOLDER}: {', '.join(known) or 'none yet'}",
        hint=did_you_mean(given.stem, known),
    )


def _with_parents(path: Path, root: Path, seen: tuple[Path, ...]) -> Document:
    resolved = path.resolve()
    if resolved in seen:
        chain = " -> ".join(p.stem for p in (*seen, resolved))
        raise ConfigError([Problem(str(path), None, "parent", f"the parents form a cycle: {chain}")])
    own = read_python(path) if path.suffix == ".py" else read_document(path)
    parent = own.values.pop("parent", None)
    if parent is None:
        return own
    line = own.places.get(("parent",), (str(path), None))[1]
    if not isinstance(parent, str) or len(seen) >= MAX_PARENTS:
        message = "is the name of a configuration" if len(seen) < MAX_PARENTS else f"more than {MAX_PARENTS} in a row"
        raise ConfigError([Problem(str(path), line, "parent", message)])
    beside = [path.parent / f"{parent}{suffix}" for suffix in SUFFIXES]
    found = next((p for p in beside if is_file(p)), None)
    try:
        found = found or find_experiment(parent, root)
    except UsageError as error:
        raise ConfigError([Problem(str(path), line, "parent", f"there is no {parent!r}", error.hint)]) from None
    base = _with_parents(found, root, (*seen, resolved))
    return Document(merged(base.values, own.values), {**base.places, **own.places})


def read_python(path: Path) -> Document:
    """Read an old configuration in Python without running it: ``NAME = literal`` lines, or one ``CONFIG = {...}``.

    Names are taken in lower case. Docstrings are passed over; everything else that is not a literal is a mistake, so
    that nothing a file computes is silently left out.

    Raises:
        ConfigError: With every such line.
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {error.strerror}")]) from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise ConfigError([Problem(str(path), line, "", f"not valid Python: {error}")]) from None
    values: dict[str, Any] = {}
    places: dict[tuple[str, ...], tuple[str, int | None]] = {}
    problems: list[Problem] = []
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        target, given = _assigned(node)
        try:
            value = None if given is None else ast.literal_eval(given)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            given, value = None, None
        if given is None:
            problems.append(Problem(str(path), node.lineno, "", "not NAME = literal; configurations are not run"))
            continue
        entries = value if target == "config" and isinstance(value, dict) else {target: value}
        values |= {str(key).lower(): entry for key, entry in entries.items()}
        places |= {(str(key).lower(),): (str(path), node.lineno) for key in entries}
    if problems:
        raise ConfigError(problems)
    return Document(values, places)


def _assigned(node: ast.stmt) -> tuple[str, ast.expr | None]:
    """The name that a statement assigns to, in lower case, and what; no expression where it is no plain assignment."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id.lower(), node.value
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id.lower(), node.value
    return "", None


def _validated(
    values: dict[str, Any], places: Mapping[tuple[str, ...], tuple[str, int | None]], file: str
) -> ExperimentConfig:
    try:
        return ExperimentConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError([_problem(detail, places, file) for detail in error.errors()]) from None


def _problem(detail: Any, places: Mapping[tuple[str, ...], tuple[str, int | None]], file: str) -> Problem:
    whole = tuple(str(part) for part in detail["loc"] if part not in ("program", "command"))
    at = whole
    while at and at not in places:
        at = at[:-1]
    where, line = places.get(at, (file, None))
    if detail["type"] == "extra_forbidden":
        known = [*ExperimentConfig.model_fields, "parent"] if len(whole) == 1 else []
        message = f"unknown key; known: {', '.join(known)}" if known else "unknown key"
        return Problem(where, line, ".".join(whole), message, did_you_mean(whole[-1], known))
    message = "is required" if detail["type"] == "missing" else detail["msg"].removeprefix("Value error, ")
    return Problem(where, line, ".".join(whole) or "experiment", message)
