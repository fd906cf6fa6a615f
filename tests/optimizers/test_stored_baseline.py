"""A baseline that an earlier run has scored is fetched; one that measured anything else is refused by name."""

import pytest

from core.errors import StoreError, UsageError
from core.workspace import Workspace
from offline.reading import read_frame
from optimizers.optimize import forecast, optimize, purpose_of
from optimizers.stored_baseline import stored_baseline
from tasks.open_run import RunOptions, open_run
from tests.notes import notes
from tests.optimizers.reflectors import Listening
from tests.runs import task_of

FRESH = ("run.cache=false", "run.pilot=4", "models.student=offline/small", "models.reflector=offline/large")


def searched(workspace, task):
    """The outcome of a search, and the dev rows that its student was asked about with the seed's instruction."""
    with open_run(workspace, task, purpose_of(task), RunOptions(track=False, new=True)) as run:
        line = run.lms["student"].line
        line.wire = Listening(line.wire)
        found = optimize(run)
    seed = task.program.predictors()[0].signature.instructions
    asked = zip(line.wire.systems, line.wire.asked, strict=True)
    notes_seen = {given["note"] for system, given in asked if read_frame(system).instruction == seed}
    return found, notes_seen & {row.inputs["note"] for row in task.splits.dev}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A workspace with a finished search, which MLflow knows as ``f00d``."""
    workspace = Workspace(notes(tmp_path_factory.mktemp("earlier"), "http://127.0.0.1:9/v1"))
    task = task_of(workspace, "notes", *FRESH, name="metaprompt", budget=90)
    found, asked = searched(workspace, task)
    assert len(asked) == len(task.splits.dev)
    with open_run(workspace, task, purpose_of(task, dry=True), RunOptions(track=False)) as run:
        run.store.mark_synced(found.run_id, 1, "f00d")
    return workspace, found


def test_its_scores_are_fetched_row_by_row_and_no_row_of_dev_is_asked_about(earlier):
    workspace, found = earlier
    task = task_of(workspace, "notes", *FRESH, name="metaprompt", budget=90, seed=5, baseline_experiment="f00d")
    again, asked = searched(workspace, task)
    assert not asked
    assert again.dev_baseline == found.dev_baseline
    assert set(again.dev_baseline.field_means()) == {"kind"}  # under the metric's own keys, so that fields compare
    assert again.candidates[0].dev_scores == found.candidates[0].dev_scores
    with open_run(workspace, task, purpose_of(task, dry=True), RunOptions(track=False)) as run:
        assert stored_baseline(run, found.run_id) == found.dev_baseline  # by our own id as well


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("outputs.kind.weight=2", "metric"),
        ("instruction=Say what it is.", "program"),
        ("models.student=offline/large", "model"),
        ("split.salt=other", "data"),
    ],
)
def test_what_measured_anything_else_is_refused_by_name_before_a_row_is_run(earlier, said, named):
    workspace, _ = earlier
    task = task_of(workspace, "notes", *FRESH, said, baseline_experiment="f00d")
    with open_run(workspace, task, purpose_of(task, dry=True), RunOptions(track=False)) as run:
        with pytest.raises(UsageError, match=rf"is no baseline of this task; not the same: {named} \("):
            forecast(run)
        assert run.account.spent() == {}


def test_a_run_that_is_not_there_is_said_to_be_missing(earlier):
    workspace, _ = earlier
    task = task_of(workspace, "notes", *FRESH, baseline_experiment="nowhere")
    with (
        open_run(workspace, task, purpose_of(task, dry=True), RunOptions(track=False)) as run,
        pytest.raises(StoreError, match="there is no run 'nowhere'"),
    ):
        forecast(run)
