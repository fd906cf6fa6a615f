"""``init``: a task file for gold rows, or a folder for a workspace of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.flags import Place
from commands.outcome import Outcome

EXAMPLE = "python cli.py init triage --from-gold triage.jsonl && python cli.py optimize triage"


def command(
    name: Annotated[str, typer.Argument(help="Task name; without --from-gold, a folder for a workspace of your own.")],
    place: Place,
    from_gold: Annotated[
        str | None,
        typer.Option(
            "--from-gold",
            metavar="FILE",
            help="Labelled rows: JSONL, JSON, CSV (any delimiter), Parquet, mlflow:DATASET.",
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="COLUMN", help="Column that is an input; several times for more."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="COLUMN", help="Column that is a label; several times for more."),
    ] = None,
    row_id: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Column with the rows' ids.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="COLUMN", help="Column whose rows never part: a person, a thread.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing task file.")] = False,
) -> Outcome:
    """Start with your own data: write a task file that runs at once."""
    from core.errors import UsageError
    from data.gathered import Columns
    from tasks.scaffold import scaffold

    columns = Columns(tuple(inputs or ()), tuple(labels or ()), row_id, group)
    if from_gold is None:
        if columns.said:
            raise UsageError(
                "--input, --label, --id and --group say what a file's columns are; name it with --from-gold"
            )
        return _workspace(Path(name))
    if place.workspace and not Path(place.workspace).expanduser().exists():
        _workspace(Path(place.workspace).expanduser())
    where = place.find()
    made = scaffold(name, Path(from_gold), where.root, columns, force=force, records=_dataset(from_gold, where.mlruns))
    following = f"python cli.py optimize {name}{place.suffix}"
    lines = [f"wrote {made.path}", made.summary, *(f"note: {note}" for note in made.notes), f"next: {following}"]
    body = {"task": name, "path": str(made.path), "rows": made.summary, "notes": list(made.notes), "next": following}
    return Outcome(body, "\n".join(lines))


def _dataset(named: str, mlruns: Path) -> Sequence[Mapping[str, Any]] | None:
    """The rows of a dataset of MLflow, or None where a file is meant."""
    from tracking.datasets import PREFIX, dataset_rows

    return dataset_rows(named.removeprefix(PREFIX), mlruns) if named.startswith(PREFIX) else None


def _workspace(root: Path) -> Outcome:
    """Make a folder with everything that a workspace has."""
    import shutil

    from core.errors import OutputError
    from core.workspace import HOME

    try:
        for folder in ("configs", "corpora", "prompts", "mlruns"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        models = root / "configs" / "models.yaml"
        if not models.exists():
            shutil.copyfile(HOME / "configs" / "models.yaml", models)
    except OSError as error:
        raise OutputError(f"cannot make a workspace at {root}: {error.strerror}") from None
    hint = f"python cli.py init NAME --from-gold rows.jsonl --workspace {root}"
    return Outcome({"workspace": str(root), "next": hint}, f"made {root}\nnext: {hint}")
