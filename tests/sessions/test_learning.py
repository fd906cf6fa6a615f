"""Threads of learning, counted by both databases as they are in memory."""

from sessions.filters import FilterChain
from sessions.learning import discoveries, figures, reward_of, threads
from sessions.record import Outcome, Session

MADE = [
    Session(
        f"s{n}", model="small", task=f"t{n % 3}", trial=n // 3, success=n % 2 == 0, outcome=Outcome.of(n % 2 == 0),
        score=n / 10, steps=n, started_at=f"2026-01-01T00:00:{59 - n:02}",
        tags={"learning_key": "a'b" if n < 6 else "other", "execution_mode": "coach" if n < 2 else "auto"},
        metadata={"models": {"teacher": "large"}, "reward_stats": {"score": 0.5, "uncertainty": 0.1}} if n == 1 else {},
    )
    for n in range(8)
]  # fmt: skip
FAILED = Session(
    "down", outcome=Outcome.INFRASTRUCTURE, score=1.0, started_at="2026-02-01", tags={"learning_key": "a'b"}
)
FOUND = Session("seen", task="t1", tags={"learning_key": "a'b", "kind": "discovery"}, started_at="2025-01-01")
UNTOLD = Session("nobody's", task="t1")
EVERYTHING = FilterChain()


def test_threads_are_found_by_their_last_session_and_discovery_runs_are_not_among_their_sessions(store):
    store.append([*MADE, FAILED, FOUND, UNTOLD])
    found = store.read(threads(store.clauses(EVERYTHING), 5))
    assert [(one.key, one.sessions) for one in found] == [("a'b", 7), ("other", 2)]
    assert len(store.read(threads(store.clauses(EVERYTHING), 1))) == 1
    (run,) = store.read(discoveries(store.clauses(EVERYTHING), ["t1"], 5))
    assert (run.id, run.task) == ("seen", "t1")


def test_counts_rewards_and_windows_are_what_they_are_in_memory(store):
    store.append([*MADE, FAILED, FOUND])
    told = store.read(figures(store.clauses(EVERYTHING), ["a'b"], points=3, uses=0))
    found, tasks = told.cells, told.tasks
    mine = [*MADE[:6], FAILED]
    rewards = [reward for one in mine if (reward := reward_of(one)) is not None]
    assert sum(cell.sessions for cell in found) == 7
    assert sum(cell.rewarded for cell in found) == len(rewards) == 6
    assert abs(sum(cell.rewards for cell in found) - sum(rewards)) < 1e-9
    assert {cell.mode: cell.sessions for cell in found if cell.mode == "unsaid"} == {"unsaid": 1}
    assert [cell.models for cell in found if "teacher" in cell.models] == [{"student": "small", "teacher": "large"}]

    points = told.points["a'b"]
    assert [(one.id, one.reward) for one in points] == [("s2", 0.2), ("s1", 0.5), ("s0", 0.0)]
    assert points[1].uncertainty == 0.1

    assert [(one.task, one.sessions, one.solved_at, one.last_trial) for one in tasks] == [
        ("", 1, None, 0), ("t0", 2, 0, 1), ("t1", 2, 1, 1), ("t2", 2, 0, 1),
    ]  # fmt: skip


def test_filters_bind_every_count(store):
    store.append(MADE)
    clauses = store.clauses(FilterChain().where(task="t1"))
    told = store.read(figures(clauses, ["a'b"], points=9, uses=0))
    assert sum(cell.sessions for cell in told.cells) == 2
    assert [one.id for one in told.points["a'b"]] == ["s4", "s1"]


def test_recorded_usage_is_read_of_the_newest_sessions_alone(store):
    used = [
        Session(
            f"u{n}", started_at=f"2026-01-0{n}", tags={"learning_key": "k"},
            metadata={"learning_usage": {"session": {"session_id": f"u{n}"}}},
        )
        for n in range(1, 4)
    ]  # fmt: skip
    store.append([*used, Session("quiet", tags={"learning_key": "k"})])
    clauses = store.clauses(EVERYTHING)
    assert store.read(figures(clauses, ["k"], points=1, uses=0)).used == {"k": []}
    found = store.read(figures(clauses, ["k"], points=1, uses=2)).used["k"]  # nothing is left of the earlier reading
    assert sorted("u3" in str(one) or "u2" in str(one) for one in found) == [True, True]
