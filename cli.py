"""The door: a catalog of commands, one printer of outcomes, one way to fail. Nothing heavy is imported here."""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from commands.catalog import entries
from commands.flags import EVERYWHERE, mask, unbundled
from core.files import keep_streams

if TYPE_CHECKING:
    from commands.outcome import Outcome

VERSION = "0.1.0"
USAGE_EXIT = 64

app = typer.Typer(
    name="proven",
    help="Tune the prompts of an LLM pipeline stage, and prove on unseen rows that they are better.\n\n"
    "Start: [bold]python cli.py optimize extraction[/bold]   "
    "Your own data: [bold]python cli.py init NAME --from-gold rows.jsonl[/bold]",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


class Finished(SystemExit):
    """The command is over and its exit code is meant."""


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"proven {VERSION}")
        raise Finished(0)


def _register() -> None:
    groups: dict[str, typer.Typer] = {"": app}
    for entry in entries():
        if entry.group not in groups:
            groups[entry.group] = _group(entry.group, entry.panel)
        panel, example = None if entry.group else entry.panel, f"Example: {entry.module.EXAMPLE}"
        door = groups[entry.group].command(entry.name, epilog=example, rich_help_panel=panel)
        door(_finishing(unbundled(entry.module.command)))


def _group(name: str, panel: str) -> typer.Typer:
    """The commands of a folder of ``commands/``, under the folder's name."""
    made = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    app.add_typer(made, name=name, help=importlib.import_module(f"commands.{name}").__doc__, rich_help_panel=panel)
    return made


def _finishing(command: Callable[..., Outcome]) -> Callable[..., None]:
    """The command with the flags of every command; its outcome is printed and ends the process."""

    @functools.wraps(command)
    def finished(*, as_json: bool, debug: bool, **given: Any) -> None:
        _finish(command(**given), as_json=as_json)

    made, signature = cast(Any, finished), inspect.signature(command)
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in EVERYWHERE.items()
    ]
    made.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *flags])
    made.__annotations__ = command.__annotations__ | EVERYWHERE
    return made


def _finish(outcome: Outcome, *, as_json: bool) -> NoReturn:
    """Print the outcome, for a program or for a person, without secrets, and end with its code."""
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


def _fail(error: Any) -> NoReturn:
    hide = mask()
    if "--json" in sys.argv:
        print(hide(json.dumps({"error": type(error).__name__, "message": error.message, "hint": error.hint})))
    print(hide(f"error: {error}"), file=sys.stderr)
    raise Finished(error.exit_code)


_register()


def main() -> None:
    """Run the command line; every expected failure ends with a message and its own exit code, never a traceback."""
    keep_streams()
    gc.set_threshold(50_000, 20, 100)  # a run makes many small records that live long
    try:
        app()
    except SystemExit as stop:
        misused = stop.code == 2 and not isinstance(stop, Finished)
        raise SystemExit(USAGE_EXIT if misused else stop.code) from None
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        from core.errors import ProvenError

        if isinstance(error, ProvenError) and "--debug" not in sys.argv:
            _fail(error)
        raise
    finally:
        gc.freeze()  # otherwise the interpreter collects everything once more on its way out


if __name__ == "__main__":
    main()
