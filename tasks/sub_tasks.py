"""The metaprompt as a task: a program whose own instruction is the metaprompt, judged by what its prompts achieve.

A row names a sub-task, a few of its train rows and a few others of them to try the new prompt on. Make the rows of a
corpus with: python -m tasks.sub_tasks TASK... > corpora/metaprompt.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import dspy

from calls.lm import RoleLM, build_lm
from core.errors import DataError, ProvenError
from core.evaluation import Evaluation, Judgement
from core.limits import Limits, RefusedError
from core.workspace import HOME, Workspace
from data.corpus import Row
from metrics.evaluate import Evaluator
from metrics.judges import PreferenceJudge, PreferenceMetric
from metrics.rubric import Criterion
from programs.levers import missing_levers
from programs.metaprompt import metaprompt_of, shown_rows
from programs.prompts import apply_prompts, make_adapter, read_prompts
from stats import least_kind
from tasks.task import Task, assemble, bound_metric, read_config

CLEARNESS = (
    Criterion(name="precision", weight=1, description="says exactly what is wanted, without contradiction"),
    Criterion(name="generality", weight=1, description="holds for rows that nobody has seen"),
)
"""By what a judge prefers one of two instructions."""
TIE = 1e-9
"""Mean scores that differ by less are equal."""


@dataclass
class SubTasks:
    """The sub-tasks of a workspace by name, each assembled when it is first asked for; copies share them."""

    place: Workspace
    _known: dict[str, Task] = field(default_factory=dict[str, Task])
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, name: str) -> Task:
        """A sub-task.

        Raises:
            ProvenError: If there is none of this name, or it cannot be used.
        """
        with self._lock:
            if name not in self._known:
                self._known[name] = assemble(read_config(self.place, name, []), self.place)
            return self._known[name]

    def __deepcopy__(self, memo: dict[int, Any]) -> SubTasks:
        return self


class MetapromptTask(dspy.Module):
    """One call, whose instruction is the metaprompt: it writes a new prompt for a sub-task, which is then tried.

    The sub-task's rows are run by its own student and judged by its own metric, through the account of the run.
    """

    def __init__(self, sub_tasks: SubTasks) -> None:
        super().__init__()
        self.propose = metaprompt_of()
        self.sub_tasks = sub_tasks

    def forward(self, sub_task: str, train_rows: Sequence[str], dev_rows: Sequence[str]) -> dspy.Prediction:
        """Run the sub-task's prompt on its train rows, rewrite it, and score both prompts on its dev rows.

        Returns:
            ``original`` and ``new`` instruction, ``original_scores`` and ``new_scores`` of the dev rows in their order;
            None where a row has no score.

        Raises:
            Halt: If the run has to end.
        """
        lm: Any = dspy.settings.lm
        if not isinstance(lm, RoleLM):
            raise TypeError("the metaprompt's program runs inside a run, which gives it its models")
        task = self.sub_tasks.get(sub_task)
        trial = _Trial(task, lm)
        seed = read_prompts(task.program).prompts[0]
        seen = trial.evaluate(seed.instruction, train_rows)
        limits = Limits(task.config.optimizer.limits, read_prompts(task.program).instructions())
        proposed = self.propose(
            task_description=task.config.description or task.name,
            current_instruction=seed.instruction,
            current_hypothesis="the instruction that the task started with",
            other_attempts=[],
            constraints=limits.told(seed.predictor) or "none",
            examples_with_feedback=shown_rows(seen.rows),
        )
        try:
            new = limits.admitted(seed.predictor, seed.instruction, proposed.new_instruction)
        except RefusedError:
            new = seed.instruction  # a prompt that may not be used leaves the task as it was
        return dspy.Prediction(
            original=seed.instruction,
            new=new,
            original_scores=[row.score for row in trial.evaluate(seed.instruction, dev_rows).rows],
            new_scores=[row.score for row in trial.evaluate(new, dev_rows).rows],
        )


def metaprompt_program(config: Any, root: Path) -> MetapromptTask:
    """The program of a task file that says ``program: tasks.sub_tasks:metaprompt_program``."""
    return MetapromptTask(SubTasks(Workspace(root)))


@dataclass(frozen=True)
class _Trial:
    """Runs rows of a sub-task with one of its prompts, inside the run whose model is given."""

    task: Task
    lm: RoleLM

    def evaluate(self, instruction: str, ids: Sequence[str]) -> Evaluation:
        task, account = self.task, self.lm.account
        prompts = read_prompts(task.program)
        first = type(prompts.prompts[0])(prompts.prompts[0].predictor, instruction, prompts.prompts[0].demos)
        program = apply_prompts(task.program, type(prompts)((first, *prompts.prompts[1:])))
        student = build_lm(task.models["student"], "student", account)
        evaluate = Evaluator(student, task.adapter, bound_metric(task, account), 1, account.policy.max_error_share)
        try:
            return evaluate(program, rows_of(task, ids), split="train")
        except ProvenError as error:
            raise account.halted(error) from None  # an Exception would become a score of zero in an optimiser


def rows_of(task: Task, ids: Sequence[str]) -> tuple[Row, ...]:
    """Rows of a sub-task by id; those of its holdout are not to be had.

    Raises:
        DataError: If there is no such row outside the holdout.
    """
    known = {row.id: row for row in (*task.splits.train, *task.splits.dev)}
    missing = [row for row in ids if row not in known]
    if missing:
        raise DataError(
            f"{task.name}: no row {missing[0]!r} in train or dev; rows of a holdout are not shown to a metaprompt",
            hint="make the corpus anew: python -m tasks.sub_tasks TASK... > corpora/metaprompt.jsonl",
        )
    return tuple(known[row] for row in ids)


@dataclass(frozen=True)
class Improvement:
    """Whether the new prompt is better: 1, 0.5 when equal, 0 when worse; or how much, as a share of the whole scale.

    What is not scored counts against the new prompt, whichever of the two it is missing for.

    Args:
        form: ``steps``, or ``continuous``: half of one plus the difference of the means.
    """

    form: Literal["steps", "continuous"] = "steps"
    name: str = "improvement"

    def __post_init__(self) -> None:
        if self.form not in ("steps", "continuous"):
            raise ValueError(f"form: received {self.form!r}; allowed: steps, continuous")

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Compare the two prompts' scores.

        Raises:
            ValueError: If they are not there.
        """
        if not isinstance(prediction, Mapping) or not prediction.get("new_scores"):
            raise ValueError("the prediction has no new_scores")
        old, new = least_kind(prediction["original_scores"], prediction["new_scores"])
        difference = fmean(new) - fmean(old)
        steps = 0.5 if abs(difference) <= TIE else float(difference > 0)
        continuous = min(1.0, max(0.0, (difference + 1) / 2))
        wins = sum(b > a + TIE for a, b in zip(old, new, strict=True))
        losses = sum(b < a - TIE for a, b in zip(old, new, strict=True))
        feedback = (
            f"{row.inputs.get('sub_task', 'the task')}: mean score {fmean(old):.3f} with the original instruction, "
            f"{fmean(new):.3f} with the new one, on {len(new)} rows that the writer had not seen: "
            f"{wins} better, {losses} worse."
        )
        if fmean(new) < 1.0:
            lacking = missing_levers(str(prediction.get("new", "")))
            feedback += "".join(f" Next time: {lever.summary}" for lever in lacking)
        fields = {"steps": steps, "continuous": continuous}
        return Judgement(fields[self.form], fields, feedback)


@dataclass(frozen=True)
class Preferred:
    """The improvement, and which of the two instructions a judge prefers, in both orders.

    Args:
        weight: The judge's share of the score, from 0 to 1; the rest is the improvement's.
        form: As in :class:`Improvement`.
    """

    weight: float = 0.5
    form: Literal["steps", "continuous"] = "steps"
    name: str = "preferred"
    lms: tuple[dspy.LM, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight: received {self.weight!r}; allowed: 0 to 1")
        Improvement(self.form)

    def bound(self, lms: Sequence[dspy.LM]) -> Preferred:
        """The metric with its judges."""
        return replace(self, lms=tuple(lms))

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Compare the two prompts' scores and texts.

        Raises:
            ValueError: If they are not there, or no judge is.
            JudgementError: If no judge gave a usable answer.
        """
        if not self.lms:
            raise ValueError("name the judge's models under metric.models")
        gained = Improvement(self.form).judge(row, prediction)
        both = replace(row, gold={"instruction": prediction["original"]})
        judge = PreferenceMetric(PreferenceJudge(CLEARNESS), make_adapter("chat"), self.lms)
        liked = judge.judge(both, {"instruction": prediction["new"]})
        score = (1 - self.weight) * gained.score + self.weight * liked.score
        feedback = f"{gained.feedback} A judge of the wording: {liked.feedback}"
        return Judgement(score, {**gained.fields, "preferred": liked.score}, feedback, liked.companions)


def windows(task: Task, train: int, dev: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Rows of the metaprompt's corpus from one sub-task: windows that share no row, none of its holdout."""
    ids = sorted(row.id for row in (*task.splits.train, *task.splits.dev))
    random.Random(f"{seed} {task.name}").shuffle(ids)
    size = train + dev
    for number in range(len(ids) // size):
        window = ids[number * size : (number + 1) * size]
        inputs = {"sub_task": task.name, "train_rows": window[:train], "dev_rows": window[train:]}
        yield {"id": f"{task.name}-{number}", "input": inputs, "label": {}}


def main() -> None:
    """Print the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--train", type=int, default=2)
    parser.add_argument("--dev", type=int, default=2)
    given = parser.parse_args()
    sub_tasks = SubTasks(Workspace(HOME))
    for name in given.tasks:
        for row in windows(sub_tasks.get(name), given.train, given.dev):
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
