"""The command line: the catalog of commands, and one way to fail. Nothing heavy is imported here."""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Annotated, Any, NoReturn

import typer

from commands.catalog import NAME
from commands.door import Commands, Finished
from commands.flags import mask
from core.files import keep_streams

VERSION = "0.1.0"
USAGE_EXIT = 64


app = typer.Typer(
    name=NAME,
    cls=Commands,
    help="Tune the prompts of an LLM pipeline stage, and prove on unseen rows that they are better.\n\n"
    "Start: [bold]python cli.py optimize extraction[/bold]   "
    "Your own data: [bold]python cli.py init NAME --from-gold rows.jsonl[/bold]",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"{NAME} {VERSION}")
        raise Finished(0)


def _fail(error: Any) -> NoReturn:
    hide = mask()
    if "--json" in sys.argv:
        print(hide(json.dumps({"error": type(error).__name__, "message": error.message, "hint": error.hint})))
    print(hide(f"error: {error}"), file=sys.stderr)
    raise Finished(error.exit_code)


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
