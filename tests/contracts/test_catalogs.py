"""What every member of every catalog must do; a new member is tested by being listed."""

import random
from typing import get_args

import pytest
from pydantic import ValidationError

from core.catalog import Catalog
from core.errors import UsageError
from core.workspace import HOME, Workspace
from experiments.config import DesignSection
from experiments.measures import MEASURES
from experiments.methods import METHODS
from gates.catalog import CHECKS, GATES, GateSection
from optimizers import OPTIMIZERS
from optimizers.base import BUDGETS, SearchSize, rollouts
from optimizers.schedule import RowCost, Sizes, schedule_of
from programs import PROGRAMS
from programs.export import FORMATS
from programs.prompts import predictors, read_prompts
from sessions.exporting import SESSION_FORMATS
from sessions.layouts import LAYOUTS
from sessions.layouts.paths import Place
from sessions.metrics import METRICS as SESSION_METRICS
from sessions.record import Outcome, Session
from tasks.stages import STAGES
from tasks.task import assemble, read_config
from tests.shipped import shipped_tasks

CATALOGS = (
    OPTIMIZERS, PROGRAMS, STAGES, FORMATS, CHECKS, GATES, LAYOUTS, SESSION_FORMATS, SESSION_METRICS, METHODS, MEASURES,
)  # fmt: skip


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda c: c.kind)
def test_members_have_a_name_and_a_summary_and_a_wrong_name_gets_help(catalog):
    for member in catalog:
        assert catalog.get(member.name) is member
        assert member.summary
    with pytest.raises(UsageError, match="known:"):
        catalog.get("nonsense")


def test_two_members_may_not_share_a_name():
    with pytest.raises(ValueError, match="share a name"):
        Catalog("thing", [FORMATS.get("text"), FORMATS.get("text")])


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)
@pytest.mark.parametrize("budget", [*BUDGETS, 100])
def test_every_optimiser_can_say_what_it_will_spend(optimizer, budget):
    sizes = Sizes(RowCost(300, 50, 0.4), demo=150, gold_out=60)

    def rows(times):
        shape = SearchSize(50, 25, 2, times * rollouts(budget, 50, 25), 20, 4)
        draws = [schedule_of(optimizer).draw(shape, sizes, random.Random(seed)) for seed in range(50)]
        assert all(draw.trials >= 1 and draw.student.tokens_in > 300 * draw.student.calls - 1 for draw in draws)
        return sum(draw.student.calls for draw in draws) / len(draws)

    assert rows(1) >= 25
    assert rows(4) >= rows(1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)
def test_a_play_of_a_billion_rollouts_takes_no_more_steps_than_one_of_a_thousand_times_less(optimizer):
    """Counted in draws of chance, which every imagined step needs, and not in seconds."""

    class Counting(random.Random):
        drawn = 0

        def random(self):
            self.drawn += 1
            return super().random()

    sizes = Sizes(RowCost(300, 50, 0.01), demo=150, gold_out=60)

    def steps(rollouts):
        rng = Counting(0)
        schedule_of(optimizer).draw(SearchSize(100_000, 50_000, 1, rollouts, 20, 4), sizes, rng)
        return rng.drawn

    assert steps(10**9) <= 3 * steps(10**6) + 500
    assert steps(10**9) < 20_000


@pytest.mark.parametrize("name", shipped_tasks())
def test_every_task_of_the_project_assembles_and_its_predictors_have_distinct_instructions(name):
    workspace = Workspace(HOME)
    task = assemble(read_config(workspace, name, []), workspace)
    instructions = [p.instruction for p in read_prompts(task.program).prompts]
    assert len(set(instructions)) == len(predictors(task.program))
    assert task.splits.info.holdout >= 20


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.name)
def test_every_gate_check_is_the_section_that_a_task_file_sets_it_by(check):
    assert isinstance(getattr(GateSection(checks={check.name: {}}).checks, check.name), type(check))
    with pytest.raises(ValidationError, match="extra_forbidden"):
        GateSection(checks={check.name: {"nonsense": 1}})


def test_every_gate_can_be_named_in_a_task_file():
    assert get_args(GateSection.model_fields["name"].annotation) == GATES.names


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [1], {"rows": 5}, {"traces": 5}, {"messages": {"a": 1}}])
def test_a_layout_recognises_nothing_of_its_own_in_strange_documents_and_reads_them_without_a_traceback(layout, value):
    told = []
    assert not layout.recognises(value)
    drafts = list(layout.read([Place(value, line=1, file="f")], lambda line, said: told.append((line, said))))
    assert all(not draft.session.outcome.counts for draft in drafts)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_method_never_takes_a_session_without_an_outcome_for_a_failure(method):
    design = method.design(DesignSection(), 50)
    assert method.difference(Session("a"), Session("b", success=True, score=1.0, outcome=Outcome.SUCCESS)) is None
    assert 1 <= method.expects(design).expected <= 50
    assert design.start.n == 0
