"""``doctor``: check models with one tiny call each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, typed
from commands.outcome import Outcome

if TYPE_CHECKING:
    from calls.models import ModelSpec
    from core.workspace import Workspace

EXAMPLE = "python cli.py doctor --task extraction"
QUESTION = (
    {"role": "system", "content": "You answer with one word."},
    {"role": "user", "content": "Say: ready"},
)


def command(
    place: Place,
    model: Annotated[
        str | None, typer.Argument(help="An alias or provider/model; all with a key when omitted.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="Ask every role of a task in the format that a search will use."),
    ] = None,
) -> Outcome:
    """Check a model's key, reachability, structured output and latency with one tiny call; or the roles of a task."""
    import os

    from dotenv import load_dotenv

    from calls.models import find_model, load_models
    from calls.wire import with_known_price
    from core.errors import ModelError, UsageError
    from tasks.open_run import redactor

    where = place.find()
    if task is not None and model is not None:
        raise UsageError(f"received a model ({model}) and --task {task}; allowed: one of them")
    if task is not None:
        return _rehearsal(where, task)
    load_dotenv(where.root / ".env", override=False)
    models = load_models(where.models)
    if model is None:
        chosen = [spec for spec in models.values() if spec.offline or os.environ.get(spec.api_key_env or "")]
        skipped = [spec.alias for spec in models.values() if spec not in chosen]
    else:
        chosen, skipped = [find_model(model, models)], []
    mask = redactor(where).text
    checks = [_check(with_known_price(spec), mask) for spec in chosen]
    lines = [_line(check) for check in checks]
    if skipped:
        lines.append(f"not checked, no key in the environment: {', '.join(skipped)}")
    code = 0 if all(check["ok"] for check in checks) else ModelError.exit_code
    return Outcome({"models": checks, "skipped": skipped}, "\n".join(lines), code=code)


def _rehearsal(where: Workspace, name: str) -> Outcome:
    """Ask the roles of a task; nothing is taken from the ledger, because models change."""
    from core.errors import ModelError
    from optimizers.rehearsal import rehearse
    from tasks.open_run import RunOptions, open_run, open_task
    from tasks.purpose import Purpose

    task = open_task(where, name, ["run.cache=false"])
    with open_run(where, task, Purpose("doctor"), RunOptions(typed(), new=True)) as run:
        tried = rehearse(run)
        spent = run.account.spent()
    roles = [{"role": t.role, "alias": t.alias, "ok": t.error is None, "error": t.error} for t in tried]
    lines = [
        f"{'ok  ' if t.error is None else 'FAIL'} {t.role:<10} {t.alias}"
        + (f"\n       cannot be read as {task.name} needs it: {t.error}" if t.error else "")
        for t in tried
    ]
    failed = any(t.error for t in tried)
    calls = sum(usage.calls for usage in spent.values())
    body = {"task": task.name, "roles": roles, "calls": calls, "run_id": run.id}
    if failed:
        lines.append(f"what was answered: python cli.py calls {run.id}; other models: models.* in the task file")
    return Outcome(body, "\n".join(lines), code=ModelError.exit_code if failed else 0)


def _check(spec: ModelSpec, mask: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alias": spec.alias,
        "model": spec.model,
        "api_base": spec.api_base,
        "key": "not needed" if not spec.api_key_env else f"${spec.api_key_env}",
        "priced": spec.priced,
        "ok": False,
    }
    import os

    from calls.failures import describe_error
    from calls.lm import api_key
    from calls.records import Request
    from calls.wire import Wire
    from core.errors import ModelError

    try:
        wire = Wire(spec, api_key(spec, "doctor", os.environ))
        found["structured_output"] = wire.structured_output
        answer = wire.send(Request(QUESTION, {"max_tokens": 64} if not spec.offline else {}))
    except ModelError as error:
        return {**found, "error": error.message, "hint": error.hint}
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the model is what the doctor has to tell
        return {**found, "error": f"{type(error).__name__}: {describe_error(error, mask)}", "hint": None}
    return {
        **found,
        "ok": True,
        "seconds": round(answer.seconds, 3),
        "tokens": [answer.input_tokens, answer.output_tokens],
        "cost_usd": answer.cost_usd,
    }


def _line(check: dict[str, Any]) -> str:
    where = f" at {check['api_base']}" if check["api_base"] else ""
    head = f"{'ok  ' if check['ok'] else 'FAIL'} {check['alias']:<18} {check['model']}{where}"
    if not check["ok"]:
        hint = f"\n       hint: {check['hint']}" if check["hint"] else ""
        return f"{head}\n       {check['error']}{hint}"
    cost = "price unknown" if check["cost_usd"] is None else f"${check['cost_usd']:.6f}"
    structured = "structured output" if check["structured_output"] else "no structured output declared"
    return f"{head}  {check['seconds']:.2f} s, {cost}, {structured}, key {check['key']}"
