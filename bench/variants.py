"""Do feedback variants beat the plain loop, and does merging help GEPA, at as many calls? Proven on the holdout.

Usage: python -m bench.variants [GOLD.jsonl ...] [--seeds 3] [--budget 300] [--rows 240]
Each is an optimiser of one's own over the trainer (`optimizers/metaprompt.py`); a call to an advisor or a writer that
the plain loop does not make counts as a program run, so that all have the same number of calls.

- guided: an advisor is asked about each failing row of a batch (score below 0.8, twenty at most), and the metaprompt
  sees these rows alone, with the advice.
- fewshot: which train rows are shown as demos, by a tree-structured Parzen estimator over include and exclude
  (Bergstra et al. 2011), on ten train rows that are not shown.
- evolution: a population of five instructions, each generation written anew from rows or merged from two parents; the
  best on a batch go on, the best of each generation goes to dev.

Beside them, GEPA with and without the merging of instructions that are best on different rows.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import dspy

from bench.optimizers import prepared, summary
from core.candidate import ProgramPrompts, Prompt
from core.evaluation import RowResult
from core.optimization import Optimization
from core.workspace import Workspace
from data.corpus import Row
from metrics.metric import to_example
from optimizers.base import Search
from optimizers.merging import MergeInstructions
from optimizers.metaprompt import Attempt, MetapromptSettings, Trainer, propose
from optimizers.optimize import optimize, purpose_of
from tasks.open_run import RunOptions, open_run
from tasks.task import assemble, read_config

FAILING, MOST_ADVISED = 0.8, 20
TRIALS, GAMMA, OPTIONS, MOST_DEMOS, SCORED_ON = 5, 0.2, 10, 16, 10
POPULATION, CHILDREN, SMALL_BATCH = 5, 4, 8


class AdviseOnRow(dspy.Signature):
    """Say in one sentence what the instruction should say so that this row, and rows like it, come out right."""

    current_instruction: str = dspy.InputField()
    inputs: dict[str, Any] = dspy.InputField()
    outputs: dict[str, Any] = dspy.InputField()
    feedback: str = dspy.InputField()
    advice: str = dspy.OutputField()


@dataclass
class GuidedTrainer(Trainer):
    """Asks an advisor about each failing row."""

    def _step(self, latest: Attempt, rows: Sequence[Row], step: int) -> Attempt:
        before = self._evaluate(latest.prompts, rows, "train")
        failing = [r for r in before.rows if r.score is not None and r.score < FAILING][:MOST_ADVISED]
        if not failing or not self._affords(len(failing) + len(rows)):
            return latest
        prompt = latest.prompts.prompts[step % len(latest.prompts.prompts)]
        advised = [self._advised(prompt.instruction, each) for each in failing]
        return self._try(latest, prompt, rows, before, advised)

    def _advised(self, instruction: str, result: RowResult) -> RowResult:
        self.spent += 1
        with dspy.context(lm=self.search.reflector, adapter=dspy.ChatAdapter()):
            found = dspy.Predict(AdviseOnRow)(
                current_instruction=instruction,
                inputs=dict(result.inputs),
                outputs=dict(result.prediction),
                feedback=result.feedback,
            )
        return replace(result, feedback=f"{result.feedback}\nAdvice: {found.advice}")

    def _try(
        self, latest: Attempt, prompt: Prompt, rows: Sequence[Row], before: Any, shown: Sequence[RowResult]
    ) -> Attempt:
        proposed = propose(self.search, prompt.predictor, latest, self._others(latest), shown, self.settings.retries)
        if proposed is None:
            return latest
        text = ProgramPrompts((Prompt(prompt.predictor, proposed.new_instruction, prompt.demos),))
        if any(text.hash == attempt.prompts.hash for attempt in self.history):
            return latest
        after = self._evaluate(text, rows, "train")
        old, new = fmean(r.score or 0.0 for r in before.rows), fmean(r.score or 0.0 for r in after.rows)
        attempt = Attempt(text, proposed.hypothesis, new, f"a batch on which the prompt before it had {old:.3f}")
        self.history.append(attempt)
        return attempt if new >= old else latest


@dataclass
class FewShotTrainer(Trainer):
    """Chooses demos, and changes no word."""

    def train(self) -> None:
        """Epochs of trials; each epoch's best set of demos goes to dev."""
        rng, epoch = random.Random(self.search.seed), 0
        while self._affords(TRIALS * SCORED_ON + len(self.search.dev.rows)) and epoch < 100:
            pool = rng.sample(self.search.train.rows, min(MOST_DEMOS, len(self.search.train.rows) // 2))
            others = [r for r in self.search.train.rows if r not in pool]
            rows = rng.sample(others, min(SCORED_ON, len(others)))
            tried: list[tuple[float, tuple[bool, ...]]] = []
            for _ in range(TRIALS):
                bits = _suggested(tried, len(pool), rng)
                done = self._evaluate(self._shown(pool, bits), rows, "train")
                tried.append((fmean(r.score or 0.0 for r in done.rows), bits))
            best = max(tried, key=lambda t: (t[0], -sum(t[1])))
            self._decide(Attempt(self._shown(pool, best[1]), "demos"), epoch)
            epoch += 1

    def _shown(self, pool: Sequence[Row], bits: Sequence[bool]) -> ProgramPrompts:
        seed = self.best.prompts.prompts[0]
        demos = tuple(dict(to_example(row)) for row, shown in zip(pool, bits, strict=True) if shown)
        return ProgramPrompts((Prompt(seed.predictor, seed.instruction, demos),))


def _suggested(tried: Sequence[tuple[float, tuple[bool, ...]]], size: int, rng: random.Random) -> tuple[bool, ...]:
    """Bits that are likelier among the best fifth of what was tried than among the rest, of several drawn."""
    if len(tried) < 2:
        return tuple(rng.random() < 0.5 for _ in range(size))
    ranked = sorted(tried, key=lambda t: -t[0])
    cut = max(1, math.ceil(GAMMA * len(ranked)))
    good, rest = ranked[:cut], ranked[cut:]

    def share(sets: Sequence[tuple[float, tuple[bool, ...]]], place: int) -> float:
        return (1 + sum(bits[place] for _, bits in sets)) / (2 + len(sets))

    def worth(bits: tuple[bool, ...]) -> float:
        ratios = [(share(good, place), share(rest, place)) for place in range(size)]
        return sum(math.log(g / r if bit else (1 - g) / (1 - r)) for (g, r), bit in zip(ratios, bits, strict=True))

    drawn = [tuple(rng.random() < share(good, p) for p in range(size)) for _ in range(OPTIONS)]
    return max(drawn, key=worth)


@dataclass
class EvolutionTrainer(Trainer):
    """A population of instructions that are written anew, merged and selected."""

    def train(self) -> None:
        """Generations until the budget is used up; the best of each goes to dev."""
        rng, population, generation = random.Random(self.search.seed), [self.best], 0
        size = min(SMALL_BATCH, self.search.shape.minibatch)
        while self._affords((POPULATION + CHILDREN) * size + len(self.search.dev.rows)) and generation < 100:
            rows = rng.sample(self.search.train.rows, min(size, len(self.search.train.rows)))
            parents = [self._scored(parent, rows) for parent in population]
            children = [self._scored(child, rows) for child in self._children(parents, rng)]
            everyone = {a.prompts.hash: (score, a) for score, a, _ in (*parents, *children)}
            ranked = sorted(everyone.values(), key=lambda found: -found[0])
            population = [attempt for _, attempt in ranked[:POPULATION]]
            if population[0].prompts.hash != self.best.prompts.hash:
                self._decide(population[0], generation)
            generation += 1

    def _scored(self, attempt: Attempt, rows: Sequence[Row]) -> tuple[float, Attempt, Sequence[RowResult]]:
        done = self._evaluate(attempt.prompts, rows, "train")
        return fmean(r.score or 0.0 for r in done.rows), attempt, done.rows

    def _children(self, parents: Sequence[tuple[float, Attempt, Any]], rng: random.Random) -> Iterator[Attempt]:
        for number in range(CHILDREN):
            _, parent, rows = rng.choice(parents)
            prompt = parent.prompts.prompts[0]
            self.spent += 1
            if number % 2 and len(parents) > 1:
                texts = [a.prompts.prompts[0].instruction for _, a, _ in rng.sample(list(parents), 2)]
                with dspy.context(lm=self.search.reflector, adapter=dspy.JSONAdapter()):
                    text = dspy.Predict(MergeInstructions)(
                        current_instruction=texts[0], parents=[{"instruction": t} for t in texts], constraints="none"
                    ).new_instruction
            else:
                found = propose(self.search, prompt.predictor, parent, (), rows)
                text = found.new_instruction if found else prompt.instruction
            yield Attempt(ProgramPrompts((Prompt(prompt.predictor, text, prompt.demos),)), "evolved")


class _Variant:
    """An optimiser over a trainer."""

    unused: ClassVar[tuple[str, ...]] = ("max_demos",)
    Settings = MetapromptSettings
    trainer: ClassVar[type[Trainer]]

    def run(self, search: Search) -> None:
        """Train."""
        self.trainer(search, MetapromptSettings.model_validate(dict(search.settings))).train()


class Guided(_Variant):
    """Asks an advisor."""

    name, summary, trainer = "guided", "an advisor for each failing row", GuidedTrainer


class FewShot(_Variant):
    """Shows rows."""

    name, summary, trainer = "fewshot", "demos by a Parzen estimator", FewShotTrainer


class Evolution(_Variant):
    """Breeds instructions."""

    name, summary, trainer = "evolution", "a population of instructions", EvolutionTrainer


VARIANTS: Mapping[str, tuple[str, ...]] = {
    "metaprompt": ("optimizer.name=metaprompt",),
    "guided": ("optimizer.name=bench.variants:Guided",),
    "fewshot": ("optimizer.name=bench.variants:FewShot",),
    "evolution": ("optimizer.name=bench.variants:Evolution",),
    "gepa": ("optimizer.name=gepa",),
    "gepa-merge": ("optimizer.name=gepa", "optimizer.settings.merge=true"),
}
"""What a task file says for each."""


def searched(workspace: Workspace, name: str, variant: str, budget: int, seed: int) -> Optimization:
    """One run in this process; MLflow is told nothing."""
    sets = [*VARIANTS[variant], f"optimizer.budget={budget}", f"optimizer.seed={seed}"]
    task = assemble(read_config(workspace, name, sets), workspace)
    with open_run(workspace, task, purpose_of(task), RunOptions(track=False)) as run:
        return optimize(run)


def line(name: str, variant: str, done: Optimization) -> str:
    """One search, in a line."""
    evidence = done.verdict.evidence
    lift = f"{evidence.delta:+.3f} ({evidence.low:+.3f} to {evidence.high:+.3f})" if evidence else "holdout not opened"
    dev = f"dev {done.dev_baseline.mean:.3f} -> {done.candidates[done.winner_index].dev_score:.3f}"
    return f"{name:<18} {variant:<11} {done.verdict.decision.value:<13} {dev}  {lift}  {done.total_usage.calls} calls"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gold", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    given = parser.parse_args()
    lifts: dict[tuple[str, str], list[float]] = {}
    for gold in given.gold or [None]:
        for seed in range(given.seeds):
            for variant in given.variants.split(","):
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    task = prepared(gold, Path(folder), given.rows)
                    done = searched(Workspace(Path(folder)), task, variant, given.budget, seed)
                name = gold.stem if gold else task
                sys.stdout.write(line(f"{name} seed {seed}", variant, done) + "\n")
                sys.stdout.flush()
                evidence = done.verdict.evidence
                lifts.setdefault((name, variant), []).append(evidence.delta if evidence else 0.0)
    for text in summary(lifts):
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
