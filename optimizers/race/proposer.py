"""Who writes the new text of a part: a reflection for an instruction, rows of train for a set of demos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import dspy

from core.candidate import ProgramPrompts, Prompt
from core.evaluation import RowResult
from core.limits import RefusedError
from optimizers.base import Search
from optimizers.race.combining import numbers
from optimizers.race.policy import Policy
from optimizers.race.records import Reflect
from optimizers.race.texts import Parts
from programs.metaprompt import shown_rows
from programs.prompts import make_adapter, read_prompts
from programs.reflection import reflection_of

DEMOS = "demos of "
"""Begins the name of a part that holds a predictor's demos: ids of train rows, each as JSON on a line of its own."""
MOST_TOLD = 6
"""Earlier changes of the same instruction that a reflection is told."""
TOLD_CHARS = 300


@dataclass(frozen=True)
class Tried:
    """A change that was made to the same instruction before, and the effect that it is believed to have."""

    removed: str
    added: str
    effect: float


@dataclass(frozen=True)
class Proposer:
    """Writes parts anew.

    Attributes:
        search: The search that it writes for.
        text: Another instruction for the reflection; None for ours.
        retries: New proposals for one that breaks a limit.
    """

    search: Search
    text: str | None = None
    retries: int = 1
    seed: ProgramPrompts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", read_prompts(self.search.program))

    def parts(self, *, demos: bool) -> dict[str, str]:
        """What the race may change: every instruction, and with ``demos`` the demos of a program with one predictor.

        Demos of several predictors would need what each of them was given, which a row does not say.
        """
        found = {prompt.predictor: prompt.instruction for prompt in self.seed.prompts}
        if demos and len(found) == 1 and not self.seed.prompts[0].demos:
            found[DEMOS + self.seed.prompts[0].predictor] = ""
        return found

    def prompts(self, parts: Parts) -> ProgramPrompts:
        """The parts as the prompts of the program."""
        return ProgramPrompts(
            tuple(
                Prompt(p.predictor, parts[p.predictor], self._demos(parts.get(DEMOS + p.predictor, "")) or p.demos)
                for p in self.seed.prompts
            )
        )

    def _demos(self, text: str) -> tuple[dict[str, object], ...]:
        rows = {row.id: row for row in self.search.train.rows}
        ids = [json.loads(line) for line in text.splitlines() if line]
        return tuple({**rows[i].inputs, **rows[i].gold} for i in ids if i in rows)

    def demo_set(self, text: str, shown: Sequence[str]) -> str:
        """The demos of a part with the rows shown added, the latest ``max_demos`` of all."""
        lines = text.splitlines()
        lines += [line for row in shown if (line := json.dumps(row, ensure_ascii=False)) not in lines]
        return "\n".join(lines[-self.search.shape.max_demos :])

    def rewritten(
        self, predictor: str, instruction: str, rows: Sequence[RowResult], tried: Sequence[Tried]
    ) -> str | None:
        """A new instruction from rows that this one was used on; None where none could be read or admitted."""
        search, remark = self.search, ""
        told = search.limits.told(predictor) or ""
        shown, ask = search.shown(shown_rows(rows)), reflection_of(self.text)
        for _ in range(self.retries + 1):
            try:
                with dspy.context(lm=search.reflector, adapter=make_adapter("chat")):
                    written = ask(
                        task_description=search.about,
                        current_instruction=instruction,
                        tried_from_here=[_told(one) for one in tried],
                        constraints=(told + remark) or "none",
                        examples_with_feedback=shown,
                    )
                return search.admit(predictor, instruction, written.new_instruction)
            except dspy.AdapterParseError:
                return None  # counted by whoever watches the search
            except RefusedError as refused:
                remark = f"\nA first proposal was refused: {refused}."
        return None


def tried_from(policy: Policy, job: Reflect) -> tuple[Tried, ...]:
    """What was made of the same parent's part before, with what is believed of it now."""
    effects, found = policy.model.effects(), list[Tried]()
    parent = policy.entrants[job.parent]
    for entrant in policy.entrants[1:]:
        if entrant.parent != job.parent or entrant.part != job.part or not entrant.live:
            continue
        for number in numbers(entrant.edits & ~parent.edits):
            change = policy.changes[number]
            if change is not None and number < len(effects):
                found.append(Tried(change.removed, change.added, float(effects[number])))
    return tuple(found[-MOST_TOLD:])


def _told(tried: Tried) -> dict[str, str]:
    said = {"removed": tried.removed[:TOLD_CHARS], "added": tried.added[:TOLD_CHARS]}
    return {name: text for name, text in said.items() if text} | {"effect on the score": f"{tried.effect:+.3f}"}
