"""The page of a sequential experiment: its decision, its two arms, and how the test walked there."""

from __future__ import annotations

from core.experiment import Arm, Experiment
from core.money import money
from reports.blocks import Banner, Block, Bullets, Commands, CurveChart, Facts, Heading, Paragraph, Report, Table
from reports.numbers import counted, percent

OFFLINE = "The embedded offline stand-in answered, not a language model; money is nominal."
WORDS = {"accept": "Accepted", "reject": "Rejected", "no decision": "No decision"}
TONES = {"accept": "good", "reject": "bad", "no decision": "open"}


def experiment_report(experiment: Experiment) -> Report:
    """The page of an experiment."""
    arms = (experiment.control, experiment.test)
    title = f"{experiment.test.experiment_id} against {experiment.control.experiment_id}"
    blocks: list[Block] = [
        Banner(WORDS[experiment.decision], _sentence(experiment), TONES[experiment.decision]),
        *([Banner("Offline stand-in", OFFLINE, "note")] if experiment.offline else []),
        Heading("Next"),
        Commands((_next(experiment), ("python cli.py watch --once", "see where all tests stand"))),
        Heading("Both arms"),
        Table(
            (
                "arm",
                "model",
                "sessions",
                "succeeded",
                "95 % interval",
                "left out",
                "tokens",
                "nominal money" if experiment.offline else "money",
            ),
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
    blocks.append(Facts(_facts(experiment), "How was this decided?"))
    return Report(title, tuple(blocks))


def _sentence(e: Experiment) -> str:
    """What to do, both rates, the pairs, and how many sessions that took."""
    test, control = e.test.experiment_id, e.control.experiment_id
    advice = {
        "accept": f"Use {test}: it is shown to be better than {control}",
        "reject": f"Keep {control}: {test} is not better by as much as was looked for",
        "no decision": f"Keep {control} for now: the sessions end before a decision",
    }[e.decision]
    rates = ""
    if e.test.rate is not None and e.control.rate is not None:
        rates = f" It succeeds in {percent(e.test.rate)} of its sessions, {control} in {percent(e.control.rate)}."
        rates = rates.replace(" It ", f" {test} ") if e.decision != "accept" else rates
    spent = f"{counted(e.pairs, 'pair')} of sessions; a fixed comparison would take {e.fixed_n}"
    return f"{advice}.{rates} {spent}."


def _next(e: Experiment) -> tuple[str, str]:
    if e.decision == "no decision":
        return "python cli.py sessions tasks", "see how many tasks a decision takes"
    added = [text for text in e.test.guidelines if text not in e.control.guidelines]
    kept = e.test if e.decision == "accept" else e.control
    why = "read what its sessions did, guidelines and all" if added else "read what its sessions did"
    return f"python cli.py sessions list --where experiment={kept.experiment_id}", why


def _facts(experiment: Experiment) -> tuple[tuple[str, str], ...]:
    saved = f"{experiment.saved:.0%} saved" if experiment.saved >= 0 else f"{-experiment.saved:.0%} more"
    facts = [
        ("reason", experiment.reason),
        ("method", experiment.method),
        ("pairs", f"{experiment.pairs} of {experiment.fixed_n} of the fixed design, {saved}"),
        ("left out", f"{experiment.left_out} pairs"),
        ("surplus", f"{experiment.surplus} sessions under way at the end, kept"),
        ("design", ", ".join(f"{key} {value}" for key, value in experiment.design.items() if value is not None)),
        ("order", f"seed {experiment.seed}"),
    ]
    facts.append(("run", experiment.run_id))
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
    return [Heading("How the test went, pair by pair"), CurveChart(points, points, levels, "pair", "position")]


def bounds_of(experiment: Experiment) -> tuple[tuple[str, float | None], ...]:
    """The positions at which the test rejects and accepts, where they stay the same."""
    from stats import EDesign, SprtDesign

    if experiment.method == "sprt":
        design = SprtDesign(**experiment.design)
        return ("reject", design.lower), ("accept", design.upper)
    if experiment.method == "eprocess":
        return (("accept", EDesign(**experiment.design).start.bounds[1]),)
    return ()
