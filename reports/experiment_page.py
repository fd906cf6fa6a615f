"""The page of a sequential experiment: its decision, its two arms, and how the test walked there."""

from __future__ import annotations

from core.experiment import Arm, Experiment
from core.money import money
from reports.blocks import Banner, Block, Bullets, Commands, CurveChart, Facts, Heading, Paragraph, Report, Table

WORDS = {"accept": "Accepted", "reject": "Rejected", "no decision": "No decision"}
TONES = {"accept": "good", "reject": "bad", "no decision": "open"}


def experiment_report(experiment: Experiment) -> Report:
    """The page of an experiment."""
    arms = (experiment.control, experiment.test)
    title = f"{experiment.test.experiment_id} against {experiment.control.experiment_id}"
    blocks: list[Block] = [
        Banner(WORDS[experiment.decision], f"{title}: {experiment.reason}.", TONES[experiment.decision]),
        Facts(_facts(experiment)),
        Table(
            ("arm", "model", "sessions", "succeeded", "95 % interval", "left out", "tokens", "money"),
            tuple(_row(name, arm) for name, arm in zip(("control", "test"), arms, strict=True)),
            (2, 3, 5, 6),
        ),
    ]
    added = [text for text in experiment.test.guidelines if text not in experiment.control.guidelines]
    if added:
        blocks += [Heading("Guidelines that the test arm adds"), Bullets(tuple(added))]
    blocks += _walk(experiment)
    if experiment.hindsight is not None:
        after = experiment.hindsight
        blocks.append(
            Paragraph(
                f"In hindsight, all {after.pairs} recorded pairs ({after.wins} won, {after.losses} lost) give "
                f"p = {after.p_value:.3g}, which the fixed test calls {after.decision}. This re-examines recorded "
                "sessions and decides nothing."
            )
        )
    if experiment.notes:
        blocks.append(Bullets(experiment.notes))
    blocks.append(Commands((("runs and events", f"python cli.py watch --once  # {experiment.run_id}"),)))
    return Report(title, tuple(blocks))


def _facts(experiment: Experiment) -> tuple[tuple[str, str], ...]:
    saved = f"{experiment.saved:.0%} saved" if experiment.saved >= 0 else f"{-experiment.saved:.0%} more"
    facts = [
        ("method", experiment.method),
        ("pairs", f"{experiment.pairs} of {experiment.fixed_n} of the fixed design, {saved}"),
        ("left out", f"{experiment.left_out} pairs"),
        ("surplus", f"{experiment.surplus} sessions under way at the end, kept"),
        ("design", ", ".join(f"{key} {value}" for key, value in experiment.design.items() if value is not None)),
        ("order", f"seed {experiment.seed}"),
    ]
    if experiment.offline:
        facts.append(("model", "the embedded stand-in answered, not a language model"))
    return tuple(facts)


def _row(name: str, arm: Arm) -> tuple[str, ...]:
    rate = "-" if arm.rate is None else f"{arm.successes} ({arm.rate:.1%})"
    interval = "-" if arm.low is None or arm.high is None else f"{arm.low:.1%} to {arm.high:.1%}"
    tokens = "unknown" if arm.tokens is None else f"{arm.tokens:,}"
    who = f"{name}: {arm.experiment_id}"
    return who, arm.model, str(arm.sessions), rate, interval, str(arm.left_out), tokens, money(arm.cost_usd)


def _walk(experiment: Experiment) -> list[Block]:
    points = tuple((index, value) for index, value in enumerate(experiment.path, 1) if value is not None)
    if len(points) < 2:
        return []
    levels = tuple((name, bound) for name, bound in bounds_of(experiment) if bound is not None)
    return [Heading("How the test walked"), CurveChart(points, points, levels, "pair", "position")]


def bounds_of(experiment: Experiment) -> tuple[tuple[str, float | None], ...]:
    """The positions at which the test rejects and accepts, where they stay the same."""
    from stats import EDesign, SprtDesign

    if experiment.method == "sprt":
        design = SprtDesign(**experiment.design)
        return ("reject", design.lower), ("accept", design.upper)
    if experiment.method == "eprocess":
        return (("accept", EDesign(**experiment.design).start.bounds[1]),)
    return ()
