"""The door's commands: made when they are asked for, and each ends the process by its outcome."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, cast

import typer
from typer.core import TyperCommand, TyperGroup

from commands.catalog import NAME, Entry, entries
from commands.flags import EVERYWHERE, mask, unbundled

if TYPE_CHECKING:
    from commands.outcome import Outcome


class Finished(SystemExit):
    """The command is over and its exit code is meant."""


class Commands(TyperGroup):
    """Commands that are made when they are asked for: a table of runs does not wait for fifty others."""

    def __init__(self, *, name: str | None = None, **given: Any) -> None:
        super().__init__(name=name, **given)
        self._entries = entries("" if name in (NAME, None) else name)
        self.commands = cast(Any, dict.fromkeys(self._entries))  # the names, which Typer lists and compares a typo with

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None."""
        entry = self._entries.get(cmd_name)
        return entry and (_folder(cmd_name, entry) if isinstance(entry, str) else _command(entry))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """List the commands by what they say of themselves; their flags are made for their own help alone."""
        listed = copy.copy(self)
        vars(listed)["get_command"] = lambda _, name: _listed(name, self._entries[name])
        super(Commands, listed).format_help(ctx, formatter)


def _listed(name: str, entry: Entry | str) -> TyperCommand:
    """A command as the list of commands shows it."""
    if isinstance(entry, str):
        return TyperCommand(name, help=importlib.import_module(f"commands.{name}").__doc__, rich_help_panel=entry)
    panel = None if entry.group else entry.panel
    return TyperCommand(name, help=entry.module.command.__doc__, rich_help_panel=panel)


def _folder(name: str, panel: str) -> Any:
    """The commands of a folder of ``commands/``, under the folder's name."""
    about = importlib.import_module(f"commands.{name}").__doc__
    return typer.main.get_group(
        typer.Typer(
            name=name, cls=Commands, help=about, rich_help_panel=panel, no_args_is_help=True, rich_markup_mode="rich"
        )
    )


def _command(entry: Entry) -> Any:
    panel, example = None if entry.group else entry.panel, f"Example: {entry.module.EXAMPLE}"
    one = typer.Typer(rich_markup_mode="rich", add_completion=False)
    one.command(entry.name, epilog=example, rich_help_panel=panel)(_finishing(unbundled(entry.module.command)))
    return typer.main.get_command(one)


def _finishing(command: Callable[..., Outcome]) -> Callable[..., None]:
    """The command with the flags of every command; its outcome is printed and ends the process."""

    @functools.wraps(command)
    def finished(*, as_json: bool, debug: bool, **given: Any) -> None:
        finish(command(**given), as_json=as_json)

    made, signature = cast(Any, finished), inspect.signature(command)
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in EVERYWHERE.items()
    ]
    made.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *flags])
    made.__annotations__ = command.__annotations__ | EVERYWHERE
    return made


def finish(outcome: Outcome, *, as_json: bool) -> NoReturn:
    """Print the outcome, for a program or for a person, without secrets, and end with its code.

    Raises:
        Finished: Always.
    """
    if as_json:
        print(mask()(json.dumps(dict(outcome.body), ensure_ascii=False, default=str)))
    else:
        _show(outcome)
    if outcome.told is not None:
        sys.stdout.flush()
        outcome.told()
    raise Finished(outcome.code)


def _show(outcome: Outcome) -> None:
    """Print the outcome for a person."""
    if outcome.page is not None:
        from rich.console import Console

        from reports import print_report

        print_report(outcome.page, Console())
    if outcome.text:
        from core.display import for_stream

        print(for_stream(mask()(outcome.text), sys.stdout))
