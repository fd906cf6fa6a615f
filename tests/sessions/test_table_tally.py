"""The database adds up what memory adds up: for every metric, group and filter, on both databases."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from sessions.filters import FilterChain
from sessions.metrics import METRICS
from sessions.record import Outcome, Session
from sessions.store import SessionStore
from sessions.tally import tally
from tests.sessions.recorded import airline, on_record

FLAG = {Outcome.SUCCESS: True, Outcome.AGENT_FAILURE: False, Outcome.INFRASTRUCTURE: None, Outcome.UNKNOWN: None}
COUNTS, MAYBE = st.none() | st.integers(0, 1000), st.none() | st.booleans()


@st.composite
def sessions(draw):
    outcomes = draw(st.lists(st.sampled_from(list(Outcome)), max_size=12))
    return [
        Session(
            f"s{number}", model=draw(st.sampled_from(["a", "b", ""])), task=draw(st.sampled_from(["x", "y", ""])),
            outcome=outcome, success=FLAG[outcome], steps=draw(COUNTS), optimal_steps=draw(COUNTS),
            input_tokens=draw(COUNTS), output_tokens=draw(COUNTS), total_tokens=draw(COUNTS),
            impossible=draw(MAYBE), rejected=draw(MAYBE),
            cost_usd=draw(st.none() | st.floats(0, 10)), latency_s=draw(st.none() | st.floats(0, 10)),
            score=draw(st.none() | st.floats(0, 1)), tags=draw(st.sampled_from([{}, {"team": "red"}, {"team": "ü"}])),
        )
        for number, outcome in enumerate(outcomes)
    ]  # fmt: skip


def plain(groups):
    """Groups with their tasks in one order."""
    found = []
    for group in groups:
        order = np.argsort(np.array(group.tasks, dtype=object)) if group.tasks else np.array([], dtype=int)
        sums = {
            name: [column[order].tolist() for column in (s.numerators, s.denominators, s.counted)]
            for name, s in group.sums.items()
        }
        found.append((group.key, group.sessions, dict(group.outcomes), sorted(group.tasks), sums))
    return found


def same(store, kept, by):
    found, expected = plain(store.tally(list(METRICS), by)), plain(tally(kept, list(METRICS), by))
    assert [group[:4] for group in found] == [group[:4] for group in expected]
    for one, other in zip(found, expected, strict=True):
        for name in one[4]:
            for column, wanted in zip(one[4][name], other[4][name], strict=True):
                assert column == pytest.approx(wanted), name


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=sessions(), by=st.sampled_from([(), ("model",), ("model", "tags.team"), ("outcome",), ("trial",)]))
def test_the_database_and_memory_agree(kept, by, tmp_path):
    (tmp_path / "s.db").unlink(missing_ok=True)
    with SessionStore(f"sqlite:///{tmp_path / 's.db'}") as store:
        store.append(kept)
        same(store, kept, by)


def test_on_either_database(store, session):
    other = dataclasses.replace(session, id="other", tags={}, task="", success=True, outcome=Outcome.SUCCESS)
    store.append([session, other])

    for by in ((), ("model", "tags.team"), ("success",)):
        same(store, [session, other], by)


@on_record
def test_a_filter_chain_chooses_what_is_added_up(tmp_path):
    with SessionStore(f"sqlite:///{tmp_path / 's.db'}") as store:
        store.append(airline())
        (group,) = store.tally([METRICS.get("success_rate")], (), FilterChain().where(trial=0))

    assert (group.sessions, len(group.tasks)) == (39, 39)


@pytest.mark.parametrize("field", ["colour", "errors", "tags", "model.x"])
def test_what_cannot_be_grouped_by_is_named(tmp_path, field):
    with SessionStore(f"sqlite:///{tmp_path / 's.db'}") as store, pytest.raises(UsageError, match="cannot group by"):
        store.tally([], [field])
