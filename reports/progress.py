"""The live display of a run: a bar with a true ETA in a terminal, a line per event elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from core.candidate import Candidate
from core.optimization import Plan, Range
from core.progress import Progress


def money(cost: float | None) -> str:
    """Dollars for people; an unknown price is not zero."""
    if cost is None:
        return "unknown cost"
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}"


def plan_lines(task: str, optimizer: str, plan: Plan) -> list[str]:
    """The forecast, a few lines long: expected values with their 80 % intervals."""
    roles = ", ".join(f"{forecast.calls.expected:.0f} {role}" for role, forecast in plan.roles.items())
    cost = "unknown, a price is missing" if plan.cost_usd is None else _span(plan.cost_usd, money)
    lines = [
        f"{task}: {optimizer}, {_what(plan)}; intervals hold in 80 % of runs",
        f"  calls   {_span(plan.calls, _count)}: {roles}",
        f"  tokens  {_span(plan.input_tokens, _count)} in, {_span(plan.output_tokens, _count)} out",
        f"  money   {cost}",
        f"  time    {_span(plan.minutes, duration)}",
    ]
    if plan.mde is not None:
        lines.append(f"  power   the holdout can show a lift of {plan.mde:.3f} or more (80 % power)")
    return lines + [f"  note    {note}" for note in plan.notes]


def _what(plan: Plan) -> str:
    return f"{plan.trials:,} {plan.unit}" if plan.unit != "trials" else f"about {plan.trials} trials on dev"


def _span(value: Range, text: Callable[[float], str]) -> str:
    return f"{text(value.expected)} ({text(value.low)} to {text(value.high)})"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def duration(minutes: float) -> str:
    """Minutes for people."""
    return f"{minutes:.0f} min" if minutes >= 2 else f"{minutes * 60:.0f} s"


class LiveProgress(Progress):
    """Shows a run on a console; in a pipe it prints one line per phase and per new best candidate."""

    def __init__(self, console: Console, task: str) -> None:
        self.console, self.task = console, task
        self.live = console.is_terminal
        self._bar = Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("calls"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[best]}"),
            console=console,
            disable=not self.live,
            transient=True,
        )
        self._current: TaskID | None = None
        self._best = ""
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> LiveProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def _say(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def plan(self, plan: Plan) -> None:
        """Print the forecast."""
        for line in plan_lines(self.task, "forecast", plan):
            self._say(line)

    def phase(self, name: str, calls: int) -> None:
        """Start a new bar, or say the phase's name in a pipe."""
        with self._lock:
            if self._current is not None:
                self._bar.remove_task(self._current)
            self._current = self._bar.add_task(name, total=calls, best=self._best)
        if not self.live:
            self._say(f"[{time.monotonic() - self._started:6.1f} s] {name}: about {calls} calls")

    def call(self, role: str) -> None:
        """Advance the bar by one student call; other roles are too few to matter."""
        if role == "student" and self._current is not None:
            self._bar.advance(self._current)

    def any_call(self, role: str) -> None:
        """Advance the bar by one call, whoever makes it."""
        if self._current is not None:
            self._bar.advance(self._current)

    def candidate(self, candidate: Candidate, best: Candidate) -> None:
        """Show the leader; in a pipe, say when it changes."""
        score = "-" if best.dev_score is None else f"{best.dev_score:.3f}"
        self._best = f"best dev {score} (#{best.index} of {candidate.index + 1})"
        if self._current is not None:
            self._bar.update(self._current, best=self._best)
        if not self.live and best.index == candidate.index:
            self._say(f"[{time.monotonic() - self._started:6.1f} s] candidate {candidate.index}: dev {score}, new best")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar off the screen while a person is asked something."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def note(self, text: str) -> None:
        """Print a note above the bar."""
        self._say(text)
