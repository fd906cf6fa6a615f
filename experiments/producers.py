"""Where sessions come from: a DSPy program on a task's rows, any program outside, or sessions recorded before."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dspy
import pydantic

from calls.account import Account
from calls.lm import RoleLM, build_lm
from calls.models import ModelSpec
from core.candidate import ProgramPrompts
from core.evaluation import RowStatus
from core.plain import md5, to_plain
from data.corpus import Row
from experiments.config import CommandProducer, ExperimentConfig, ProgramProducer
from experiments.pairs import Place
from metrics.evaluate import judge_row, run_row
from metrics.metric import Metric
from programs.prompts import apply_prompts, component_hashes, read_prompts
from sessions.record import Outcome, Session, Step
from tasks.task import Task, bound_metric

REFUSALS = ("refused", "rejected")
"""What a program that may refuse says in its field ``outcome``."""
MAX_OUTPUT = 16_000_000
ERROR_CHARS = 2000


def places_of(made: ProgramProducer, task: Task) -> tuple[Place, ...]:
    """The pairs of row and trial that a program is tried on."""
    splits = task.splits
    chosen = (*splits.train, *splits.dev, *(splits.holdout if made.rows == "all" else ()))
    return tuple((row.id, trial) for trial in range(made.trials) for row in chosen)


def with_guidelines(prompts: ProgramPrompts, guidelines: Sequence[str]) -> ProgramPrompts:
    """Every instruction with the guidelines appended, in order."""
    if not guidelines:
        return prompts
    added = "\n\nGuidelines:\n" + "\n".join(f"- {text}" for text in guidelines)
    return ProgramPrompts(tuple(replace(p, instruction=p.instruction + added) for p in prompts.prompts))


@dataclass(frozen=True)
class ProgramSessions:
    """A task's program with guidelines, on the task's rows, judged by its metric; every call goes through the ledger.

    A session succeeds when its score reaches the metric's threshold. An answer that cannot be parsed is the agent's
    failure; a model that cannot be reached is infrastructure; a metric that fails leaves the outcome unknown.
    """

    config: ExperimentConfig
    task: Task
    rows: Mapping[str, Row]
    program: dspy.Module
    lms: tuple[RoleLM, ...]
    """The student for each trial."""
    metric: Metric
    places: tuple[Place, ...]

    @classmethod
    def of(cls, config: ExperimentConfig, task: Task, account: Account) -> ProgramSessions:
        """The sessions of one arm.

        The embedded model says the same to the same question, so that a second trial would be a copy and no evidence;
        each trial has a seed of its own there, as each call of a provider is drawn anew.

        Raises:
            ModelError: If a key is not in the environment.
        """
        made = config.producer
        assert made is not None
        assert made.kind == "program"
        places = places_of(made, task)
        known = {row.id: row for row in task.corpus.rows}
        program = apply_prompts(task.program, with_guidelines(read_prompts(task.program), config.guidelines))
        lms = tuple(build_lm(_of_trial(task.models["student"], n), "student", account) for n in range(made.trials))
        return cls(
            config, task, {name: known[name] for name, _ in places}, program, lms, bound_metric(task, account), places
        )

    @property
    def components(self) -> tuple[str, ...]:
        """MD5 of each instruction and demo, and of each guideline by itself."""
        hashes = component_hashes(read_prompts(self.program)).values()
        return tuple(dict.fromkeys([*hashes, *map(md5, self.config.guidelines)]))

    def produce(self, session_id: str, place: Place) -> Session:
        """Run the program on one row and judge what it did.

        Raises:
            Halt: When the run must end.
        """
        row, lm, started = self.rows[place[0]], self.lms[place[1]], _now()
        answer = run_row(self.program, row, lm, self.task.adapter, place[1])
        score, error, status = None, answer.error, answer.status
        if status is RowStatus.OK:
            status, judgement, error, _ = judge_row(self.metric, row, answer.values, place[1])
            score = judgement.score if judgement is not None else None
        success, outcome = _outcome(
            status, score, self.task.config.metric.threshold, judged=answer.status is RowStatus.OK
        )
        spent = answer.tally.worth
        steps = answer.values.get("steps")
        return Session(
            id=session_id,
            experiment=self.config.experiment_id,
            config_hash=self.config.config_hash,
            model=lm.spec.alias,
            task=row.id,
            task_code=self.task.name,
            trial=place[1],
            success=success,
            score=score,
            outcome=outcome,
            steps=len(steps) if isinstance(steps, (list, tuple)) else None,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cached_tokens=spent.cached_tokens,
            reasoning_tokens=spent.reasoning_tokens,
            cost_usd=spent.cost_usd,
            latency_s=answer.tally.seconds,
            optimal_steps=_whole(row.gold.get("optimal_steps")),
            impossible=_truth(row.gold.get("impossible")),
            rejected=answer.values.get("outcome") in REFUSALS if "outcome" in answer.values else None,
            errors=(error,) if error else (),
            components=self.components,
            guidelines=self.config.guidelines,
            started_at=started,
            finished_at=_now(),
            tags=self.config.tags,
            trajectory=_trajectory(row, steps),
        )


def _of_trial(spec: ModelSpec, trial: int) -> ModelSpec:
    """The model of one trial."""
    return replace(spec, params={**spec.params, "seed": trial}) if spec.offline and trial else spec


def _outcome(status: RowStatus, score: float | None, threshold: float, *, judged: bool) -> tuple[bool | None, Outcome]:
    if score is not None:
        success = score >= threshold
        return success, Outcome.SUCCESS if success else Outcome.AGENT_FAILURE
    if status is RowStatus.PARSE_ERROR:
        return False, Outcome.AGENT_FAILURE
    if status is RowStatus.LM_ERROR:
        return None, Outcome.INFRASTRUCTURE
    return (None, Outcome.UNKNOWN) if judged else (False, Outcome.AGENT_FAILURE)


def _trajectory(row: Row, steps: Any) -> tuple[Step, ...] | None:
    """What the row asks in words, and then the steps that a program reports in its field ``steps``, where it does."""
    if not isinstance(steps, (list, tuple)):
        return None
    found = [Step("user", value) for value in row.inputs.values() if isinstance(value, str)]
    for step in steps:
        said: Mapping[str, Any] = step if isinstance(step, Mapping) else {"text": to_plain(step)}
        texts = {key: _text(said.get(key)) for key in ("text", "tool", "arguments", "result", "error")}
        role = "tool" if texts["tool"] else "assistant"
        found.append(Step(role, texts["text"], texts["tool"], texts["arguments"], texts["result"], texts["error"]))
    return tuple(found)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(to_plain(value), ensure_ascii=False)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


@dataclass(frozen=True)
class CommandSessions:
    """A program outside: one process per session, its configuration as JSON on stdin, a session as JSON on stdout.

    It prints an object with ``success`` or ``score``, and whatever else a session has: tokens, ``cost_usd``, ``steps``,
    ``errors``, ``outcome`` ... A process that fails, is late or prints something else is infrastructure: no evidence.
    """

    config: ExperimentConfig
    made: CommandProducer

    @property
    def places(self) -> tuple[Place, ...]:
        """The tasks and trials of the configuration."""
        return tuple((task, trial) for trial in range(self.made.trials) for task in self.made.tasks)

    def produce(self, session_id: str, place: Place) -> Session:
        """Run the command once."""
        started, clock = _now(), time.perf_counter()
        printed, error = self._run(place)
        known = Session(
            id=session_id,
            experiment=self.config.experiment_id,
            config_hash=self.config.config_hash,
            model=self.config.model_id or "",
            task=place[0],
            trial=place[1],
            guidelines=self.config.guidelines,
            tags=self.config.tags,
            latency_s=time.perf_counter() - clock,
            started_at=started,
            finished_at=_now(),
        )
        if error is None:
            try:
                return session_of(printed, known)
            except ValueError as failure:
                error = f"stdout is not a session: {failure}"
        return replace(known, outcome=Outcome.INFRASTRUCTURE, errors=(error[:ERROR_CHARS],))

    def _run(self, place: Place) -> tuple[bytes, str | None]:
        filled = {"{task}": place[0], "{trial}": str(place[1]), "{model_id}": self.config.model_id or ""}
        words = [_filled(word, filled) for word in self.made.argv]
        if shutil.which(words[0]) is None:
            return b"", f"cannot be run: there is no program {words[0]!r}"
        asked = {
            "task": place[0],
            "trial": place[1],
            "experiment_id": self.config.experiment_id,
            "model_id": self.config.model_id,
            "guidelines": list(self.config.guidelines),
        }
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            out, err = process.communicate(json.dumps(asked).encode(), self.made.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return b"", f"no session within {self.made.timeout:g} s"
        if process.returncode:
            said = err.decode("utf-8", "replace").strip().splitlines()
            return b"", f"exit code {process.returncode}: {said[-1] if said else 'nothing on stderr'}"
        return (out, None) if len(out) <= MAX_OUTPUT else (b"", f"more than {MAX_OUTPUT:,} bytes on stdout")


def _filled(word: str, values: Mapping[str, str]) -> str:
    for mark, value in values.items():
        word = word.replace(mark, value)
    return word


def session_of(printed: str | bytes, known: Session) -> Session:
    """A session from JSON that says ``success`` or ``score``, on top of what is known already.

    ``success`` decides the outcome unless the JSON names one; a session with a score alone succeeds at 1.

    Raises:
        ValueError: If it is not JSON, no object, has neither, or a value of the wrong type. Unknown keys are metadata.
    """
    try:
        said = json.loads(printed)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error.msg if isinstance(error, json.JSONDecodeError) else error})") from None
    if not isinstance(said, dict):
        raise ValueError(f"received a {type(said).__name__}, need an object")
    own = {key: value for key, value in said.items() if key in _SAID}
    extra = {key: value for key, value in said.items() if key not in _SAID}
    try:
        read = _ADAPTER.validate_python({"id": known.id, **own})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if read.success is None and read.score is None and "outcome" not in own:
        raise ValueError("it has neither success nor score nor outcome")
    success = read.success if read.success is not None or read.score is None else read.score >= 1
    outcome = read.outcome
    if "outcome" not in own:
        outcome = Outcome.SUCCESS if success else Outcome.AGENT_FAILURE
    given = {key: getattr(read, key) for key in own} | {"tags": {**read.tags, **known.tags}}
    return replace(known, **{**given, "success": success, "outcome": outcome, "metadata": {**known.metadata, **extra}})


_SAID = frozenset(Session.__dataclass_fields__) - {
    "id", "experiment", "config_hash", "task", "trial", "guidelines", "metadata", "started_at", "finished_at",
}  # fmt: skip
"""What a command may say of its session; the rest is set by the experiment."""
_ADAPTER: pydantic.TypeAdapter[Session] = pydantic.TypeAdapter(Session)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
