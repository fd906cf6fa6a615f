"""Filter chains: in order, the same in the database as in memory, and no word that nobody knows."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from sessions.filters import FilterChain, SessionFilter
from sessions.record import Outcome, Session
from sessions.store import SessionStore
from sessions.typed import chain_of
from tests.sessions.worlds import CODES, MODELS, session_lists

EDGES = st.one_of(st.none(), st.integers(-30, 30))
FILTERS = st.one_of(
    st.builds(lambda a, b, c: SessionFilter(index=slice(a, b, c)), EDGES, EDGES, st.sampled_from([None, 1, 2, 7])),
    st.builds(lambda m: SessionFilter(match={"model": m}), st.sampled_from([*MODELS, MODELS[:2], "none"])),
    st.builds(lambda c: SessionFilter(task_filter={"code": c}), st.sampled_from(CODES)),
    st.sampled_from(
        [
            SessionFilter(match={"success": None}),
            SessionFilter(match={"success": (None, True)}),
            SessionFilter(match={"outcome": Outcome.SUCCESS, "trial": (0, 1)}),
            SessionFilter(match={"score": 0.5}),
            SessionFilter(match={"steps": (0, None)}),
            SessionFilter(match={"steps": ()}),
            SessionFilter(match={"guidelines": "Check limits first"}),
            SessionFilter(match={"guidelines": ('b"c', "nobody")}),
            SessionFilter(match={"tags.team": "a"}),
            SessionFilter(match={"tags.x y": "1"}),
            *(SessionFilter(match={"metadata.run": value}) for value in (1, "1", True, None, ("1", 1))),
            SessionFilter(match={"metadata.run.seed": 1}),
            SessionFilter(since="2026-11-01T10:00:00Z"),
            SessionFilter(until="2026-11-02"),
            SessionFilter(task_filter={"impossible": True}, match={"model": "gpt-4o"}, index=slice(-3, None)),
        ]
    ),
)


def ids(sessions):
    return [session.id for session in sessions]


@pytest.fixture
def six():
    return [Session(f"s{i}", model="gpt-4o" if i % 2 else "haiku", task_code="gpu_race") for i in range(6)]


def test_filters_apply_in_the_order_in_which_they_were_added(store, six):
    store.append(six)
    last = SessionFilter(index=slice(-3, None))
    model = SessionFilter(match={"model": "gpt-4o"})
    race = SessionFilter(task_filter={"code": "gpu_race"})
    assert ids(store.sessions(FilterChain().add(last).add(model).add(race))) == ["s3", "s5"]
    assert ids(store.sessions(FilterChain().add(model).add(race).add(last))) == ["s1", "s3", "s5"]


def test_a_chain_is_a_value_that_add_leaves_as_it_is():
    chain = FilterChain()
    assert chain.add(SessionFilter(match={"model": "x"})) != chain
    assert chain == FilterChain()


def test_sessions_stand_in_the_order_of_their_start_whatever_the_time_zone(store):
    store.append(
        [
            Session("late", started_at="2026-11-01T12:30:00+00:00"),
            Session("early", started_at="2026-11-01T13:00:00+02:00"),
            Session("unknown"),
        ]
    )
    assert ids(store.sessions()) == ["unknown", "early", "late"]
    assert ids(store.sessions(FilterChain().last(1))) == ["late"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sessions=session_lists(), filters=st.lists(FILTERS, max_size=4))
def test_the_database_selects_what_the_same_chain_selects_in_memory(store, sessions, filters):
    chain = FilterChain(tuple(filters))
    store.delete(FilterChain())
    store.append(sessions)
    expected = ids(chain.apply(sessions))
    assert ids(store.sessions(chain)) == expected
    assert store.count(chain) == len(expected)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"match": {"modle": "x"}}, "did you mean 'model'"),
        ({"match": {"trajectory": "x"}}, "unknown field 'trajectory'"),
        ({"match": {"tags": "x"}}, "tags.NAME"),
        ({"match": {"metadata.": "x"}}, "unknown field 'metadata.'"),
        ({"match": {'metadata.a"b': "x"}}, "unknown field"),
        ({"match": {"steps": "3"}}, "allowed is int"),
        ({"match": {"steps": True}}, "allowed is int"),
        ({"match": {"success": 1}}, "allowed is bool"),
        ({"match": {"outcome": "succes"}}, "did you mean 'success'"),
        ({"task_filter": {"cod": "x"}}, "did you mean 'code'"),
        ({"index": slice(0, 5, -1)}, "positive step"),
        ({"index": slice("a")}, "whole numbers"),
        ({"since": "yesterday"}, "a moment such as"),
    ],
)
def test_a_filter_that_nothing_could_fit_is_refused(wrong, said):
    with pytest.raises(UsageError) as refused:
        SessionFilter(**wrong)
    assert said in str(refused.value)


def test_what_people_type_is_the_same_chain():
    now = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
    typed = chain_of(
        [("last", 100), ("where", ["model=gpt-4o", "success=null,true"]), ("task", ["code=gpu_race"]), ("since", "7d")],
        now,
    )
    assert typed == FilterChain().last(100).where(model="gpt-4o").where(success=(None, True)).add(
        SessionFilter(task_filter={"code": "gpu_race"})
    ).add(SessionFilter(since="2026-11-14T12:00:00+00:00"))
    assert chain_of([("task", ["t1"]), ("where", None)]) == FilterChain().add(SessionFilter(task_filter={"name": "t1"}))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([("where", ["gpt-4o"])], "FIELD=VALUE"),
        ([("where", ["steps=many"])], "allowed is a number"),
        ([("where", ["success=perhaps"])], "true or false"),
        ([("since", "a while")], "7d"),
    ],
)
def test_what_people_mistype_is_explained(flags, said):
    with pytest.raises(UsageError) as refused:
        chain_of(flags)
    assert said in str(refused.value)


def test_a_value_of_metadata_is_found_whether_it_is_text_or_a_number(tmp_path):
    with SessionStore(f"sqlite:///{tmp_path / 's.db'}") as store:
        store.append([Session("a", metadata={"run": 1}), Session("b", metadata={"run": "1"}), Session("c")])
        assert ids(store.sessions(chain_of([("where", ["metadata.run=1"])]))) == ["a", "b"]
        assert ids(store.sessions(chain_of([("where", ["metadata.run=null"])]))) == ["c"]
