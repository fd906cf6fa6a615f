"""``promote``: a run's prompt becomes the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Place, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.optimization import Optimization
    from tasks.task import Task
    from tracking.store import Store

EXAMPLE = "python cli.py promote extraction"


def command(
    task: TaskName,
    place: Place,
    run: Annotated[str | None, typer.Option(help="Run id or its beginning; the best proven one by default.")] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Promote without an accepting verdict, or one with a lower score; recorded."),
    ] = False,
) -> Outcome:
    """Make a run's prompt the champion of its task: in the store, in ``prompts/`` and as MLflow's alias.

    Shows which proven runs there are, and verifies the record of the one that it takes.
    """
    import contextlib

    from commands.production import contender_table, provenance_of, told, usable_prompt, write_champion
    from core.errors import GateRefusalError, UsageError
    from core.verdict import Decision
    from tasks.open_run import open_store, open_task
    from tracking.projection import following

    if run == "seed":
        raise UsageError("the seed is no run", hint=f"python cli.py rollback {task} --to-seed")
    where = place.find()
    found = open_task(where, task, [])
    with contextlib.closing(open_store(where)) as store:
        rivals, lines, body = contender_table(store, found)
        best = rivals.ranked[0].outcome if rivals.ranked else None
        taken, _ = usable_prompt(where, store, found, run, force=force, instead=best)
        if taken.run_id is None:
            raise GateRefusalError(f"nothing of {found.name} is proven: {taken.why}", hint="--run RUN names a run")
        outcome = store.optimization(taken.run_id)
        already, worse = _against_champion(store, found, outcome, force=force)
        forced = worse is not None or outcome.verdict.decision is not Decision.PROMOTE
        provenance = provenance_of(outcome, forced=forced) | {"source": taken.source}
        if not already:
            reason = "; ".join([*([f"forced although {worse}"] if worse else []), *outcome.verdict.reasons])
            with following(store, where.mlruns) as tracker:
                store.promote(found.name, outcome.run_id, outcome.winner, provenance, forced, reason)
                tracker.nudge()
    path = write_champion(where, found, outcome.winner, provenance)
    now = "already" if already else "now"
    lines += [f"{found.name}: champion is {now} {outcome.winner.hash} from {outcome.run_id}: {taken.why}"]
    body = {"task": found.name, "path": str(path), **told(taken), "contenders": body, "provenance": provenance}
    return Outcome(body, "\n".join([*lines, f"wrote {path}"]))


def _against_champion(store: Store, task: Task, new: Optimization, *, force: bool) -> tuple[bool, str | None]:
    """Whether a run's prompt is the champion already, and why it would be a step back from it.

    Raises:
        GateRefusalError: If it would be one, and ``force`` is off.
    """
    from core.errors import GateRefusalError, StoreError
    from tasks.current import downgrade

    champion = store.champion(task.name)
    if champion is None or champion.seed:
        return False, None
    if champion.run_id == new.run_id and champion.prompts.hash == new.winner.hash:
        return True, None
    try:
        worse = downgrade(new, store.optimization(champion.run_id))
    except StoreError:  # its record cannot be read any more: nothing says that it is better
        return False, None
    if worse is not None and not force:
        raise GateRefusalError(
            f"run {new.run_id} would be a step back from the champion of run {champion.run_id}: {worse}",
            hint="--force promotes it all the same, and the record will say so",
        )
    return False, worse
