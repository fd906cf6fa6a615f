"""The live display of a run: how far, how dear, how good, how long still; a line per event in a pipe."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from core.candidate import Candidate
from core.evaluation import Usage
from core.experiment import PairResult
from core.money import duration, money
from core.optimization import LiftForecast, Plan, Range
from core.progress import Progress

RECENT = 60
"""Calls whose pace tells what is left."""


def plan_lines(task: str, optimizer: str, plan: Plan) -> list[str]:
    """The forecast, a few lines long: expected values with their 80 % intervals."""
    roles = ", ".join(f"{forecast.calls.expected:.0f} {role}" for role, forecast in plan.roles.items())
    cost = "unknown, a price is missing" if plan.cost_usd is None else _span(plan.cost_usd, money)
    cost += ", nominal: the embedded model is free" if plan.nominal and plan.cost_usd is not None else ""
    lines = [
        f"{task}: {optimizer}, {_what(plan)}; intervals hold in 80 % of runs",
        f"  calls   {_span(plan.calls, _count)}: {roles}",
        f"  tokens  {_span(plan.input_tokens, _count)} in, {_span(plan.output_tokens, _count)} out",
        f"  money   {cost}",
        f"  time    {_span(plan.minutes, duration)}",
    ]
    if plan.mde is not None:
        lines.append(f"  power   the holdout can show a lift of {plan.mde:.3f} or more (80 % power)")
    lines += [f"  {'verdict' if index == 0 else '':<8}{_verdicts(lift)}" for index, lift in enumerate(plan.verdicts)]
    return lines + [f"  note    {note}" for note in plan.notes]


def _verdicts(forecast: LiftForecast) -> str:
    """The chances of the three verdicts at one true lift."""
    chance = forecast.promote
    return (
        f"at a true lift of {forecast.lift:+.2f}: PROMOTE {chance.expected:.0%}"
        f" ({chance.low:.0%} to {chance.high:.0%}), INCONCLUSIVE {forecast.inconclusive:.0%}, HOLD {forecast.hold:.0%}"
    )


def _what(plan: Plan) -> str:
    return f"{plan.trials:,} {plan.unit}" if plan.unit != "trials" else f"about {plan.trials} trials on dev"


def _span(value: Range, text: Callable[[float], str]) -> str:
    return f"{text(value.expected)} ({text(value.low)} to {text(value.high)})"


def _count(value: float) -> str:
    return f"{value:,.0f}"


class LiveProgress(Progress):
    """Shows a run on a console: two live lines in a terminal, a line per event in a pipe.

    It counts calls that are paid; those that the ledger knew are told apart. The stream is held from the beginning:
    while an optimiser runs, ``sys.stderr`` is another one.
    """

    def __init__(self, console: Console, task: str) -> None:
        console.file = console.file  # looked up now, and not at each write
        self.console, self.task = console, task
        self.live = console.is_terminal and not console.is_dumb_terminal
        self._count = _Count()
        self._lock = threading.Lock()
        self._screen = Live(
            get_renderable=self._render, console=console, refresh_per_second=4, transient=True, auto_refresh=self.live
        )

    def __enter__(self) -> LiveProgress:
        if self.live:  # here, and not at the first phase: it puts sys.stderr back in the end as it found it
            self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.stop()

    def _render(self) -> RenderableType:
        with self._lock:
            return live_lines(self._count, self.console.width)

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        self._say(f"[{self._count.elapsed:6.1f} s] {text}")

    def plan(self, plan: Plan) -> None:
        """Print the forecast."""
        for line in plan_lines(self.task, "forecast", plan):
            self._say(line)
        with self._lock:
            self._count.expect(plan)

    def phase(self, name: str, calls: int, *, last: bool = False) -> None:
        """Show the phase's name; in a pipe, as a line."""
        with self._lock:
            self._count.enter(name, calls, last=last)
        if not self.live:
            self._line(f"{name}: about {calls} calls")

    def call(self, role: str, usage: Usage) -> None:
        """Count the call; in a pipe, say every tenth of the way where the run is."""
        with self._lock:
            self._count.add(usage)
            due = not self.live and self._count.line_is_due()
            text = self._count.text() if due else ""
        if text:
            self._line(text)

    def candidate(self, candidate: Candidate, best: Candidate) -> None:
        """Show the leader; in a pipe, a line per candidate."""
        score, leader = _score(candidate.dev_score), _score(best.dev_score)
        with self._lock:
            self._count.candidates = candidate.index + 1
            self._count.best = f"best dev {leader} (#{best.index})"
        if not self.live:
            lead = "new best" if best.index == candidate.index else f"best is {leader} (#{best.index})"
            self._line(f"candidate {candidate.index}: dev {score}, {lead}")

    def pair(self, result: PairResult) -> None:
        """Show where the test stands between its bounds; in a pipe, a line every tenth pair and at the end."""
        with self._lock:
            self._count.best = walk(result)
            self._count.candidates = 0
        if not self.live and (result.n % 10 == 0 or result.decision != "continue"):
            self._line(f"pair {result.n}: {walk(result)}")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Take the display off the screen while a person is asked something."""
        self._screen.stop()
        try:
            yield
        finally:
            if self.live:
                self._screen.start()

    def outlook(self, verdicts: tuple[LiftForecast, ...], when: str) -> None:
        """Print the chances of a promotion, in one line."""
        said = ", ".join(f"{v.lift:+.2f} in {v.promote.expected:.0%}" for v in verdicts)
        if said:
            self._line(f"outlook {when}: a true lift is promoted at {said}")

    def note(self, text: str) -> None:
        """Print a note above the display."""
        self._say(text)


def walk(result: PairResult, width: int = 25) -> str:
    """Where a test stands between its bounds, as a line of text."""
    position = result.position
    said = "-" if position is None else f"{position:+.2f}"
    if result.lower is None:
        return f"{said} of {result.upper:+.2f}, {result.decision}"
    share = 0.0 if position is None else (position - result.lower) / (result.upper - result.lower)
    at = min(width - 1, max(0, round(share * (width - 1))))
    return f"{result.lower:+.2f} |{'-' * at}o{'-' * (width - 1 - at)}| {result.upper:+.2f}  {said}, {result.decision}"


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


@dataclass
class _Count:
    """How far a run is.

    ``total`` is what the forecast says, corrected by what has happened since: it never lies below the calls made, and
    in the last phase it is what is left.
    """

    phase: str = ""
    paid: int = 0
    known: int = 0
    total: int = 0
    cost: float | None = 0.0
    expected_cost: float | None = None
    candidates: int = 0
    best: str = ""
    planned: bool = False
    started: float = field(default_factory=time.monotonic)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _said: tuple[int, float] = (0, 0.0)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds that are left, at the pace of the latest calls; None where there is no pace yet."""
        if len(self.recent) < 2:
            return None
        pace = (time.monotonic() - self.recent[0]) / len(self.recent)
        return pace * (self.total - self.paid)

    def expect(self, plan: Plan) -> None:
        """Take the forecast's totals."""
        self.total, self.planned = max(self.paid, round(plan.calls.expected)), True
        self.expected_cost = plan.cost_usd.expected if plan.cost_usd else None

    def enter(self, name: str, calls: int, *, last: bool) -> None:
        """A phase begins."""
        self.phase = name
        if last or not self.planned:
            self.total = self.paid + calls
        self.recent.clear()
        self._said = (self.paid, self.elapsed)

    def add(self, usage: Usage) -> None:
        """A call ended."""
        self.known += usage.hits
        if not usage.calls:
            return
        self.paid += usage.calls
        self.total = max(self.total, self.paid)
        self.cost = None if self.cost is None or usage.cost_usd is None else self.cost + usage.cost_usd
        self.recent.append(time.monotonic())

    def line_is_due(self) -> bool:
        """Whether a pipe should get a line: every tenth of the way, and twice a minute on a slow way."""
        step, seconds = self.paid - self._said[0], self.elapsed - self._said[1]
        if step < max(1, self.total / 10) and not (step and seconds >= 30):
            return False
        self._said = (self.paid, self.elapsed)
        return True

    def money(self) -> str:
        """What was spent, beside what is expected."""
        spent = money(self.cost)
        return spent if self.expected_cost is None else f"{spent} of about {money(self.expected_cost)}"

    def text(self) -> str:
        """Where the run is, on one line."""
        parts = [f"{self.phase}: {self.paid} of about {self.total} calls", self.money()]
        if self.candidates:
            parts += [f"{self.candidates} candidate{'s' * (self.candidates != 1)}", self.best]
        if self.left is not None:
            parts.append(f"about {duration(self.left / 60)} left")
        return ", ".join(parts)


def live_lines(count: _Count, width: int) -> RenderableType:
    """The two lines of the live display, for a terminal of so many columns; nothing before the first phase."""
    if not count.phase:
        return Text("")
    left = "" if count.left is None else f"{duration(count.left / 60)} left"
    bar = ProgressBar(total=max(1, count.total), completed=count.paid, width=12 if width < 100 else 30)
    first = Table.grid(padding=(0, 2, 0, 0))
    first.add_row(
        Text(count.phase, style="bold"), bar, f"{count.paid}/{count.total} calls", duration(count.elapsed / 60), left
    )
    parts = [count.money()]
    if count.candidates:
        parts.append(f"{count.candidates} candidate{'s' * (count.candidates != 1)}")
    if count.best:
        parts.append(count.best)
    if count.known:
        parts.append(f"{count.known} known")
    return Group(first, Text("  " + "   ".join(parts), no_wrap=True, overflow="ellipsis"))
