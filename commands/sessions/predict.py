"""``sessions predict``: what a planned experiment will cost, from sessions like it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.flags import Chosen, SessionPlace
from commands.outcome import Outcome

EXAMPLE = "python cli.py sessions predict --config configs/experiments/exp_042.json --n 50"
UNITS = {"cost_usd": "usd", "latency_s": "seconds", "steps": "steps"}


def command(
    place: SessionPlace,
    chosen: Chosen,
    config: Annotated[Path, typer.Option(metavar="FILE", help="The experiment's configuration, JSON or YAML.")],
    n: Annotated[int, typer.Option("--n", min=1, max=1_000_000, help="How many sessions are planned.")] = 50,
) -> Outcome:
    """Predict tokens, dollars and time of planned sessions, with a 90 % prediction interval."""
    from reports.numbers import quantity
    from sessions.predict import forecast

    keys = _read(config)
    with place.open() as store:
        found = forecast(store.sessions(chosen.chain()), keys, n)
    lines = [f"{n:,} sessions, predicted from {found.like}:"]
    for one in found.predictions:
        unit = UNITS.get(one.quantity, "tokens")
        total, low, high = (quantity(value, unit) for value in (one.total, one.low, one.high))
        lines.append(
            f"  {one.quantity:14} {total}  (90 % {low} to {high}); {quantity(one.each, unit)} each, n {one.n:,}"
        )
    if not found.predictions:
        lines.append("  nothing: these sessions record no tokens, cost, latency or steps")
    return Outcome(asdict(found), "\n".join(lines))


def _read(path: Path) -> dict[str, Any]:
    import yaml

    from core.errors import ConfigError, Problem

    try:
        found: Any = yaml.safe_load(path.read_text("utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {error}")]) from None
    except yaml.YAMLError:
        raise ConfigError([Problem(str(path), None, "", "is neither JSON nor YAML")]) from None
    if not isinstance(found, dict):
        raise ConfigError([Problem(str(path), None, "", f"received {type(found).__name__}, need an object")])
    return found
