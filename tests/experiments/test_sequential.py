"""Sequential experiments: one decision whatever the threads or interruptions, one test on one stream, nothing twice."""

import dataclasses
import json
import random
import sys
from threading import Thread

import pytest

from commands.experiment import replayed
from commands.watch import standing
from core.errors import ModelError, UsageError
from core.experiment import Experiment
from core.workspace import Workspace
from experiments.config import config_of
from experiments.kept import SessionLog
from experiments.methods import METHODS
from experiments.pairs import Stream, play, stream_order
from experiments.producers import session_of
from experiments.replay import Recorded, parse_where, read_arm, read_records
from experiments.sequential import Request, experiments, run_experiment
from sessions.record import Outcome, Session
from sessions.store import open_sessions
from stats import Decision, SprtDesign, exact_sign_test
from tasks.open_run import RunOptions, open_store
from tests.journeys.commands import until
from tests.sessions.recorded import AIRLINE, DATA, on_record

QUIET = RunOptions(track=False)
TASKS = [f"t{i}" for i in range(80)]


class Coin:
    """An arm whose success on a task is a matter of its name and the rate."""

    def __init__(self, name, rate, fails=()):
        self.name, self.rate, self.fails, self.made = name, rate, set(fails), []
        self.places = [(task, trial) for trial in range(3) for task in TASKS]

    def produce(self, session_id, place):
        self.made.append(session_id)
        known = Session(id=session_id, task=place[0], trial=place[1])
        if place in self.fails:
            return dataclasses.replace(known, outcome=Outcome.INFRASTRUCTURE, errors=("503",))
        success = random.Random(f"{self.name}{place}").random() < self.rate
        outcome = Outcome.SUCCESS if success else Outcome.AGENT_FAILURE
        return dataclasses.replace(known, success=success, outcome=outcome)


def played(tmp_path, control, test, *, threads=4, known=(), seed=0, retries=0, design=None, name="s"):
    stream = Stream(
        name,
        stream_order(control.places, seed),
        control,
        test,
        SessionLog(tmp_path / f"{name}.jsonl"),
        retries,
        threads,
    )
    told = []
    tally = play(stream, METHODS.get("sprt"), (design or SprtDesign(p0=0.5, n_max=200)).start, known, told.append)
    return tally, told


def test_the_order_is_of_the_seed_and_tries_every_task_before_any_twice():
    places = [(task, trial) for trial in (0, 1) for task in TASKS]
    order = stream_order(places, 1)
    assert order == stream_order(list(reversed(places)), 1)
    assert order != stream_order(places, 2)
    assert {trial for _, trial in order[:80]} == {0}
    assert [t for t, _ in order[:80]] != [t for t, _ in order[80:]]


def test_the_decision_is_the_same_for_any_number_of_threads(tmp_path):
    found = [
        played(tmp_path, Coin("c", 0.5), Coin("t", 0.85), threads=threads, name=f"s{threads}")[0] for threads in (1, 8)
    ]
    assert found[0].state == found[1].state
    assert found[0].state.decision is Decision.ACCEPT
    assert found[0].surplus == 0
    assert found[1].surplus <= 16


def test_interrupted_anywhere_it_goes_on_to_the_same_decision_and_makes_no_session_twice(tmp_path):
    whole, told = played(tmp_path, Coin("c", 0.5), Coin("t", 0.85), name="whole")
    for cut in (1, 7, len(told) - 1):
        control, test = Coin("c", 0.5), Coin("t", 0.85)
        kept = SessionLog(tmp_path / f"cut{cut}.jsonl")
        for place in stream_order(control.places, 0)[: cut + 2]:  # two pairs had ended, but not entered
            for arm, producer in (("control", control), ("test", test)):
                kept.add(producer.produce(f"cut{cut}/{arm}/{place[0]}/{place[1]}", place))
        before = set(control.made)
        again, _ = played(tmp_path, control, test, known=told[:cut], name=f"cut{cut}", threads=1)
        assert again.state == whole.state
        assert len(control.made) == len(set(control.made))
        assert before <= set(control.made)


def test_a_session_log_survives_a_half_written_line(tmp_path):
    path = tmp_path / "log.jsonl"
    SessionLog(path).add(Session("a", success=True, outcome=Outcome.SUCCESS))
    with path.open("a") as file:
        file.write('{"id": "b", "succ')
    again = SessionLog(path)
    assert (again.find("a").success, again.find("b")) == (True, None)
    again.add(Session("c"))
    assert SessionLog(path).find("c") is not None


def test_infrastructure_is_tried_again_and_is_no_evidence(tmp_path):
    order = stream_order(Coin("c", 0.5).places, 0)
    broken = Coin("t", 0.85, fails=order[3:5])
    tally, told = played(tmp_path, Coin("c", 0.5), broken, retries=2)
    assert [r.left_out for r in told[3:5]] == ["test: infrastructure: 503"] * 2
    assert (told[4].n, told[4].difference) == (3, None)
    assert sum(order[3][0] in name for name in broken.made) == 3
    assert tally.left_out == 2
    assert tally.state.decision is Decision.ACCEPT


def test_pair_after_pair_without_evidence_ends_the_run_and_is_tried_again_next_time(tmp_path):
    order = stream_order(Coin("c", 0.5).places, 0)
    with pytest.raises(ModelError, match=r"10 pairs one after the other were no evidence; .* control: infrastructure"):
        played(tmp_path, Coin("c", 0.5, fails=order), Coin("t", 0.85))
    tally, told = played(tmp_path, Coin("c", 0.5), Coin("t", 0.85))
    assert told[0].left_out == ""
    assert tally.state.decision is Decision.ACCEPT


def recorded(path, rates, tasks=150, trials=2):
    with path.open("w") as file:
        for arm, rate in rates.items():
            for trial in range(trials):
                for task in range(tasks):
                    solved = random.Random(f"{arm}/{task}/{trial}").random() < rate
                    record = {"id": f"{arm}-{task}-{trial}", "strategy": arm, "task": task}
                    record |= {"run": f"run{trial}", "success": solved}
                    file.write(json.dumps(record) + "\n")
    return path


def replay(path, control, test, method="sprt", sets=()):
    records = read_records(path)
    arms = [read_arm(records, parse_where([words], "--where"), "--where") for words in (control, test)]
    configs = [config_of({"experiment_id": f"{method}-{i}"}, sets) for i in (0, 1)]
    return Request(configs[0], configs[1], method, (arms[0], arms[1]), path.name, threads=2)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "configs").mkdir()
    return Workspace(tmp_path)


def test_a_replay_decides_once_and_refuses_a_second_test_on_the_stream(place, tmp_path):
    path = recorded(tmp_path / "r.jsonl", {"a": 0.5, "b": 0.8})
    request = replay(path, "strategy=a", "strategy=b")
    done = run_experiment(place, request, QUIET)
    assert isinstance(done, Experiment)
    assert (done.decision, done.hindsight.decision, done.hindsight.pairs) == ("accept", "accept", 300)
    assert done.pairs < done.fixed_n
    assert done.test.rate > done.control.rate
    assert run_experiment(place, request, QUIET) == done
    with pytest.raises(UsageError, match=rf"{done.run_id} \(sprt\) decided it: accept.*method: sprt -> fixed"):
        run_experiment(place, dataclasses.replace(request, method="fixed"), QUIET)
    design = config_of({"experiment_id": "x", "design": {"alpha": 0.1}}).design
    looser = dataclasses.replace(request, test=request.test.model_copy(update={"design": design}))
    with pytest.raises(UsageError, match="would keep no error rate"):
        run_experiment(place, looser, QUIET)
    other = request.test.model_copy(update={"seed": 1})
    with pytest.raises(UsageError, match="seed: 0 -> 1"):
        run_experiment(place, dataclasses.replace(request, test=other), QUIET)
    renamed = request.test.model_copy(update={"experiment_id": "afresh"})
    assert run_experiment(place, dataclasses.replace(request, test=renamed, method="fixed"), QUIET).decision == "accept"
    store = open_store(place)
    assert [run.verdict for run, _, _ in experiments(store)] == ["accept", "accept"]
    store.close()


def test_a_harmful_arm_is_rejected_early_and_an_equal_one_is_not_accepted(place, tmp_path):
    path = recorded(tmp_path / "r.jsonl", {"a": 0.6, "worse": 0.3, "same": 0.6})
    harmful = run_experiment(place, replay(path, "strategy=a", "strategy=worse"), QUIET)
    assert harmful.decision == "reject"
    assert harmful.pairs <= harmful.fixed_n / 3
    same = run_experiment(place, replay(path, "strategy=a", "strategy=same", "sprt", ["design.p0=0.6"]), QUIET)
    assert same.decision == "reject"


def test_a_graded_experiment_bets_on_scores(place, tmp_path):
    path = tmp_path / "g.jsonl"
    scores = {"a": 0.3, "b": 0.6}
    rows = [
        {"id": f"{arm}{i}", "arm": arm, "task": i, "success": False, "score": score}
        for arm, score in scores.items()
        for i in range(60)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run_experiment(place, replay(path, "arm=a", "arm=b", "eprocess"), QUIET)
    assert (done.decision, done.method) == ("accept", "eprocess")
    assert done.pairs < 60


def test_an_experiment_on_what_sessions_take_bets_on_the_share_that_is_saved(place):
    def arm(name, tokens, **more):
        return Recorded(name, {
            (f"t{n}", 0): Session(f"{name}{n}", success=True, outcome=Outcome.SUCCESS, input_tokens=tokens + n, **more)
            for n in range(60)
        })  # fmt: skip

    def asked(test, method, metric, name):
        arms = [config_of({"experiment_id": f"{name}-{n}"}, [f"design.metric={metric}"]) for n in "ab"]
        return Request(arms[0], arms[1], method, (arm("base", 4_000), test), name)

    saving = run_experiment(place, asked(arm("half", 2_000), "eprocess", "tokens", "x"), QUIET)
    assert (saving.decision, saving.hindsight) == ("accept", None)
    assert saving.pairs < 30
    assert "tokens saved, as a share; see that success has not been given up" in saving.notes[0]
    assert run_experiment(place, asked(arm("same", 4_000), "eprocess", "tokens", "y"), QUIET).decision == "no decision"
    with pytest.raises(UsageError, match="tokens is no matter of won or lost, which is all that sprt takes"):
        run_experiment(place, asked(arm("half", 2_000), "sprt", "tokens", "z"), QUIET)
    with pytest.raises(ModelError, match="none of the last 50 pairs could be compared"):
        run_experiment(place, asked(arm("half", 2_000), "eprocess", "cost", "w"), QUIET)


def test_refusals_of_impossible_tasks_are_compared_where_a_task_is_impossible():
    def pair(before, after, impossible=True):
        ended = {"success": True, "outcome": Outcome.SUCCESS, "impossible": impossible}
        return Session("a", rejected=before, **ended), Session("b", rejected=after, **ended)

    method = METHODS.get("sprt").measuring("early_termination_rate")
    assert [method.difference(*pair(*said)) for said in ((False, True), (True, False), (True, True))] == [1, -1, 0]
    assert method.difference(*pair(False, True, impossible=False)) is None
    assert method.difference(*pair(None, True)) is None


def test_conditions_that_match_nothing_say_what_there_is(tmp_path):
    records = read_records(recorded(tmp_path / "r.jsonl", {"a": 0.5, "b": 0.8}, tasks=2))
    with pytest.raises(UsageError, match="strategy is one of: a, b"):
        read_arm(records, {"strategy": "c"}, "--test-where")
    with pytest.raises(UsageError, match=r"received 'strategy'; expected key=value"):
        parse_where(["strategy"], "--test-where")


@on_record
@pytest.mark.parametrize(
    ("file", "control", "test", "p0"),
    [
        ("humaneval_agents.jsonl", "strategy=simple,config=gpt-3.5-turbo-0613",
         "strategy=ldb,config=gpt-3.5-turbo-0613+reflexion", 0.75),
        ("humaneval_agents.jsonl", "strategy=simple,config=gpt-3.5-turbo-0613",
         "strategy=reflexion,config=gpt-3.5-turbo-0613", 0.75),
    ],
)  # fmt: skip
def test_recorded_strategies_are_told_apart_with_fewer_sessions_than_the_fixed_test_takes(
    place, file, control, test, p0
):
    done = run_experiment(place, replay(DATA / file, control, test, "sprt", [f"design.p0={p0}"]), QUIET)
    assert done.decision == done.hindsight.decision
    assert done.pairs < done.fixed_n
    records = read_records(DATA / file)  # the fixed answer once more, by hand
    wins = losses = 0
    arms = [
        {
            (r["task"], r["run"]): r["success"]
            for r in records
            if all(str(r[k]) == v for k, v in parse_where([w], "").items())
        }
        for w in (control, test)
    ]
    for place_, solved in arms[0].items():
        if place_ not in arms[1]:
            continue
        wins += arms[1][place_] and not solved
        losses += solved and not arms[1][place_]
    assert (done.hindsight.wins, done.hindsight.losses) == (wins, losses)
    assert done.hindsight.p_value == exact_sign_test(wins, losses)


@on_record
def test_sessions_of_the_store_are_replayed_also_where_trials_have_other_numbers(place):
    with open_sessions(place) as store:
        store.append(
            Session(
                row["id"], model=row["model"], task=str(row["task"]), trial=row["trial"], success=row["success"],
                outcome=Outcome.of(row["success"]),
            )
            for row in read_records(AIRLINE)
        )  # fmt: skip
    request = replayed(place, "store", (["trial=0"], ["trial=3"]), "sprt", ["design.p0=0.4"])
    done = run_experiment(place, request, QUIET)
    solved = {(row["task"], row["trial"]): row["success"] for row in read_records(AIRLINE)}
    tasks = {task for task, _ in solved}
    assert done.hindsight.pairs == len(tasks) == 39
    assert done.hindsight.wins == sum(solved[task, 3] and not solved[task, 0] for task in tasks)
    assert done.decision in ("reject", "no decision"), "trials of one agent do not differ"
    with pytest.raises(UsageError, match="no stored session fits trial=9"):
        replayed(place, "store", (["trial=0"], ["trial=9"]), "sprt", [])
    with pytest.raises(UsageError, match="did you mean 'trial'"):
        replayed(place, "store", (["trail=0"], ["trial=1"]), "sprt", [])


WAITING = """
import json, pathlib, sys, time
asked = json.load(sys.stdin)
while int(sys.argv[1][1:]) > 2 and not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.05)
print(json.dumps({"success": bool(asked["guidelines"])}))
"""


def test_an_experiment_at_work_is_seen_where_it_stands_and_then_how_it_ended(place, tmp_path):
    script, go = tmp_path / "waiting.py", tmp_path / "go"
    script.write_text(WAITING)
    argv = [sys.executable, "-S", str(script), "{task}", str(go)]
    made = {"kind": "command", "argv": argv, "tasks": TASKS[:14], "timeout": 60}
    arms = [
        config_of({"experiment_id": name, "producer": made, "guidelines": told})
        for name, told in (("a", []), ("b", ["x"]))
    ]
    working = Thread(target=run_experiment, args=(place, Request(arms[0], arms[1], "sprt", threads=1), QUIET))
    working.start()
    assert until(lambda: (rows := standing(place, 5)) and rows[0]["state"] == "running")
    seen = standing(place, 5)[0]
    assert (seen["test"], seen["control"], seen["decision"]) == ("b", "a", None)
    go.touch()
    working.join()
    [row] = standing(place, 5)
    assert (row["decision"], row["state"]) == ("accept", "finished")
    assert row["position"] >= row["upper"]


AGENT = """
import json, random, sys
asked = json.load(sys.stdin)
rate = 0.9 if "Check limits first" in asked["guidelines"] else 0.4
solved = random.Random(sys.argv[1] + str(asked["guidelines"])).random() < rate
print(json.dumps({"success": solved, "input_tokens": 100, "cost_usd": 0.01, "extra": asked["model_id"]}))
"""


def command_arm(folder, name, **more):
    script = folder / "agent.py"
    script.write_text(AGENT)
    producer = {
        "kind": "command",
        "argv": [sys.executable, "-S", str(script), "{task}"],
        "tasks": TASKS[:40],
        "timeout": 60,
    }
    return config_of({"experiment_id": name, "model_id": "m", "producer": producer, **more})


def test_a_command_outside_makes_the_sessions_and_each_is_run_once(place, tmp_path):
    control = command_arm(tmp_path, "base")
    test = command_arm(tmp_path, "exp_1", guidelines=["Check limits first"])
    plan = run_experiment(place, Request(control, test, "sprt"), QUIET, dry_run=True)
    assert plan.cost_usd.expected == pytest.approx(0.01 * 2 * plan.trials, rel=0.02)
    done = run_experiment(place, Request(control, test, "sprt"), QUIET)
    assert done.decision == "accept"
    assert done.test.rate > 0.7 > done.control.rate
    log = next((place.mlruns / "experiments").glob("*.jsonl"))
    sessions = [json.loads(line) for line in log.read_text().splitlines()]
    assert len({s["id"] for s in sessions}) == len(sessions) == 2 * done.pairs + done.surplus
    assert {s["metadata"]["extra"] for s in sessions} == {"m"}
    assert {s["cost_usd"] for s in sessions} == {0.01}


def test_a_command_that_fails_is_infrastructure_and_says_why(place, tmp_path):
    broken = {
        "kind": "command",
        "argv": [sys.executable, "-S", "-c", "import sys; sys.exit('out of memory')"],
        "tasks": TASKS,
    }
    arms = [
        config_of({"experiment_id": n, "producer": broken, "retries": 0, "guidelines": g})
        for n, g in (("a", []), ("b", ["x"]))
    ]
    with pytest.raises(ModelError, match="infrastructure: exit code 1: out of memory"):
        run_experiment(place, Request(arms[0], arms[1], "sprt"), QUIET)


def test_what_a_command_may_print():
    known = Session("s", task="t")
    assert session_of('{"success": false}', known).outcome is Outcome.AGENT_FAILURE
    assert session_of('{"score": 1}', known).success is True
    assert session_of('{"success": null, "outcome": "unknown"}', known).outcome is Outcome.UNKNOWN
    kept = session_of('{"success": true, "id": "forged", "task": "other", "steps": 3}', known)
    assert (kept.id, kept.task, kept.steps) == ("s", "t", 3)
    for text, said in (
        ("{", "not JSON"),
        ("[1]", "received a list"),
        ("{}", "neither success"),
        ('{"success": "yes!"}', "success"),
    ):
        with pytest.raises(ValueError, match=said):
            session_of(text, known)


def test_arms_that_cannot_be_compared_are_refused(place, tmp_path):
    arm = command_arm(tmp_path, "a")
    with pytest.raises(UsageError, match="same configuration"):
        run_experiment(place, Request(arm, command_arm(tmp_path, "b"), "sprt"), QUIET)
    with pytest.raises(UsageError, match="no producer"):
        run_experiment(place, Request(arm, config_of({"experiment_id": "c"}), "sprt"), QUIET)
    with pytest.raises(UsageError, match=r"unknown method 'sprd'.*\n.*did you mean 'sprt'"):
        run_experiment(place, Request(arm, arm, "sprd"), QUIET)
