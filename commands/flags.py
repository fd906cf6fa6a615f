"""Flags that several commands share, in bundles: a command takes the bundle, the door makes its flags."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from core.progress import Progress
    from core.workspace import Workspace
    from playbook.book import PlaybookStore
    from sessions.filters import FilterChain
    from sessions.store import SessionStore
    from tasks.open_run import RunOptions

SPEND = "What it may spend"
CHOICE = "Which sessions (in the order typed)"

TaskName = Annotated[
    str,
    typer.Argument(metavar="TASK", help="A task name (see `tasks`) or the path of a task file.", show_default=False),
]
RunName = Annotated[str, typer.Argument(help="Run id or its beginning (see `runs`).", show_default=False)]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 0 on PROMOTE, 1 on HOLD, 2 on INCONCLUSIVE (for CI).")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only forecast. Runs the pilot, whose answers are kept; --pilot 0 calls no model."),
]
NoCode = Annotated[
    bool, typer.Option("--no-code", help="Do not run what the task file names as module:Name; it stays unchecked.")
]
Split = Annotated[str, typer.Option(help="train, dev or holdout.")]

EVERYWHERE = {
    "as_json": Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show tracebacks and what the libraries below log.")],
}
"""Flags of every command."""


@dataclass(frozen=True)
class Bundle:
    """Base of the bundles; a field is a flag."""


@dataclass(frozen=True)
class Place(Bundle):
    """Where tasks, rows and results are."""

    workspace: Annotated[
        str | None, typer.Option("--workspace", metavar="DIR", help="Folder with configs/, corpora/ and mlruns/.")
    ] = None

    def find(self) -> Workspace:
        """The workspace that was named, or the one around.

        Raises:
            UsageError: If the named folder does not exist.
        """
        from core.workspace import find_workspace

        return find_workspace(self.workspace)

    @property
    def quoted(self) -> str | None:
        """The folder as one types it, for commands that are shown."""
        return shlex.quote(self.workspace) if self.workspace else None

    @property
    def suffix(self) -> str:
        """What a shown command needs at its end to mean this workspace."""
        return f" --workspace {self.quoted}" if self.workspace else ""


@dataclass(frozen=True)
class Settings(Bundle):
    """Overrides of the task file."""

    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key, as in --set gate.margin=0.02; DROP deletes it."
        ),
    ] = None

    def overrides(self, *flags: Mapping[str, Any]) -> list[str]:
        """The overrides as ``key=value``: what was set, then the flags that were given."""
        given = [f"{key}={value}" for flag in flags for key, value in flag.items() if value is not None]
        return [*(self.sets or []), *given]


@dataclass(frozen=True)
class Models(Bundle):
    """Who answers, and how many calls at a time."""

    student: Annotated[str | None, typer.Option(help="Model that runs the program.")] = None
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight.")] = None

    def keys(self) -> dict[str, Any]:
        """As keys of a task file."""
        return {"models.student": self.student, "run.threads": self.threads}


@dataclass(frozen=True)
class Spending(Bundle):
    """What a run may spend; it ends in order at any of these."""

    max_cost: Annotated[
        float | None,
        typer.Option(metavar="DOLLARS", help="End in order at this cost, all roles.", rich_help_panel=SPEND),
    ] = None
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="End in order after so many requests.", rich_help_panel=SPEND)
    ] = None
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The same for tokens.", rich_help_panel=SPEND)] = None
    max_minutes: Annotated[float | None, typer.Option(help="The same for minutes.", rich_help_panel=SPEND)] = None
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=SPEND)] = False
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not use answers that other runs paid for.", rich_help_panel=SPEND)
    ] = False
    redact: Annotated[
        list[str] | None,
        typer.Option(metavar="REGEX", help="Mask this before anything is stored.", rich_help_panel=SPEND),
    ] = None

    def keys(self) -> dict[str, Any]:
        """As keys of a task file."""
        return {
            "run.max_cost": self.max_cost,
            "run.max_calls": self.max_calls,
            "run.max_tokens": self.max_tokens,
            "run.max_minutes": self.max_minutes,
            "run.cache": "false" if self.no_cache else None,
            "run.redact": json.dumps(self.redact) if self.redact else None,
        }

    def options(self, progress: Progress) -> RunOptions:
        """How the run is to behave."""
        from tasks.open_run import RunOptions

        return RunOptions(typed(), self.yes, debug="--debug" in sys.argv, progress=progress)


@dataclass(frozen=True)
class Starting(Spending):
    """The same for a command that would otherwise go on with an interrupted run."""

    new: Annotated[
        bool, typer.Option("--new", help="Start anew even if this very run was interrupted.", rich_help_panel=SPEND)
    ] = False

    def options(self, progress: Progress) -> RunOptions:
        """How the run is to behave."""
        return dataclasses.replace(super().options(progress), new=self.new)


@dataclass(frozen=True)
class Chosen(Bundle):
    """Which sessions; the filters apply in the order in which they were typed."""

    last: Annotated[
        int | None,
        typer.Option(
            "--last", min=1, help="The newest so many of what the flags before it leave.", rich_help_panel=CHOICE
        ),
    ] = None
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="FIELD=VALUE",
            help="Field of a session, as in model=gpt-4o, success=null or tags.team=a,b.",
            rich_help_panel=CHOICE,
        ),
    ] = None
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task", metavar="NAME", help="Task, or a field of it, as in code=gpu_race.", rich_help_panel=CHOICE
        ),
    ] = None
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Start, or age: 2026-11-01, 7d, 12h.", rich_help_panel=CHOICE),
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Before that.", rich_help_panel=CHOICE)
    ] = None

    def chain(self) -> FilterChain:
        """The filters that were typed.

        Raises:
            UsageError: If a field or a time is none.
        """
        from sessions.typed import chain_of

        given = {"last": self.last, "where": self.where, "task": self.task, "since": self.since, "until": self.until}
        order = [word.partition("=")[0].removeprefix("--") for word in sys.argv]
        return chain_of(sorted(given.items(), key=lambda item: order.index(item[0]) if item[0] in order else -1))


@dataclass(frozen=True)
class By(Bundle):
    """What groups of sessions are made by."""

    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", metavar="FIELD", help="Group by it, as in --by model --by tags.team, or model,experiment."
        ),
    ] = None

    def fields(self) -> list[str]:
        """The fields, each once."""
        return list(dict.fromkeys(name.strip() for given in self.by or () for name in given.split(",") if name.strip()))


@dataclass(frozen=True)
class SessionPlace(Place):
    """Where sessions are stored: in the workspace, or in a database of a team."""

    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            "--database-url",
            metavar="URL",
            help="Database of sessions, postgresql://... or sqlite:///...; else STORAGE__DATABASE_URL, "
            "else mlruns/sessions.db.",
        ),
    ] = None

    def open(self) -> SessionStore:
        """The store.

        Raises:
            StoreError: If it cannot be opened.
        """
        from core.redact import from_environment
        from sessions.store import open_sessions

        where = self.find()
        return open_sessions(where, self.store, from_environment(where.root))


@dataclass(frozen=True, kw_only=True)
class Book(Place):
    """Which playbook."""

    key: Annotated[str, typer.Option("--key", help="Learning key: who learns, and what.")] = "default"

    def open(self) -> PlaybookStore:
        """The playbooks of the workspace."""
        from playbook.book import open_playbooks

        return open_playbooks(self.find())


def typed() -> str:
    """The command as it was typed, for the record."""
    return " ".join(["python cli.py", *sys.argv[1:]])


def mask() -> Callable[[str], str]:
    """What takes secrets out of an error text: those of the environment and of the workspace's ``.env``."""
    from core.errors import ProvenError
    from core.redact import from_environment
    from core.workspace import HOME, find_workspace

    named = [after for word, after in pairwise(sys.argv) if word == "--workspace"]
    try:
        root = find_workspace(named[0] if named else None).root
    except ProvenError:
        root = HOME
    return from_environment(root).text


def listed(text: str | None) -> tuple[str, ...]:
    """The parts of a flag that takes several values, separated by commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def unbundled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose bundles are flags of their own, as Typer wants them; it returns what the function returns."""
    hints = get_type_hints(function, include_extras=True)
    plain: list[inspect.Parameter] = []
    bundles: dict[str, type[Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if not (isinstance(kind, type) and issubclass(kind, Bundle)):
            plain.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        bundles[name] = kind
        fields = get_type_hints(kind, include_extras=True)
        plain += [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=fields[f.name])
            for f in dataclasses.fields(kind)
        ]

    @functools.wraps(function)
    def called(**given: Any) -> Any:
        for name, kind in bundles.items():
            given[name] = kind(**{f.name: given.pop(f.name) for f in dataclasses.fields(kind)})
        return function(**given)

    called.__signature__ = inspect.Signature(plain)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in plain}
    return called
