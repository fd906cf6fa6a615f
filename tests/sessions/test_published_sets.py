"""Sets in shapes that others publish, each with a mapping file alone: figures come out again, or are contradicted."""

import csv
import io
import json
import random

import pytest
import yaml

import proven
from sessions.filters import FilterChain
from sessions.frontier import frontier
from sessions.metrics import METRICS, estimate
from sessions.record import Outcome

MODELS, INSTANCES = 25, 20
RUNS, TASKS = 49, 40
VERSIONS = 67


@pytest.fixture
def bring(tmp_path):
    """Import files by a mapping in a file, as ``sessions import DIR --mapping FILE`` does."""
    (tmp_path / "configs").mkdir()
    logs = tmp_path / "logs"
    logs.mkdir()

    def bringing(mapping, **files):
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (logs / f"{stem}.{suffix}").write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
        (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping), "utf-8")
        sessions = proven.sessions(workspace=tmp_path)
        return sessions, sessions.read(logs, mapping=tmp_path / "mapping.yaml")

    return bringing


def rates(sessions, by):
    metric = METRICS.get("success_rate")
    return {group.name: estimate(group, metric) for group in sessions.store.tally([metric], [by], sessions.chain)}


# A leaderboard of coding agents: flags for each instance, and a published rate for each model


LEADERBOARD = {
    "rows": "*.instances.*",
    "fields": {
        "id": {"join": ["^$key", "$key"]},
        "model": "^$key",
        "task": "$key",
        "success": "resolved",
        "steps": "api_calls",
        "cost_usd": "cost",
    },
    "aggregates": [
        {"rows": "*", "group": {"model": "$key"}, "figures": {"success_rate_of_all": {"path": "resolved_percent",
         "scale": 0.01}, "sum_cost_usd": "cost_total"}, "distrust": True}
    ],
}  # fmt: skip


def leaderboard():
    chance, board = random.Random(0), {}
    for m in range(MODELS):
        rows = {
            f"repo__{i}": {"resolved": chance.random() < m / MODELS, "api_calls": 5 + i, "cost": 0.25}
            for i in range(INSTANCES)
        }
        share = sum(row["resolved"] for row in rows.values()) / INSTANCES
        board[f"model-{m}"] = {
            "instances": rows,
            "resolved_percent": 100 * share,
            "cost_total": 0.25 * INSTANCES,
        }
    return board


def test_a_leaderboard_gives_its_published_rates_again(bring):
    sessions, done = bring(LEADERBOARD, board_json=leaderboard())
    assert (done.read, done.problems, done.contradictions) == (MODELS * INSTANCES, [], [])
    assert done.agreed == 2 * MODELS
    assert len(rates(sessions, "model")) == MODELS


def test_flags_that_contradict_a_published_rate_are_reported_and_not_trusted(bring):
    board = leaderboard()
    wrong = board["model-7"]["instances"]
    for name in list(wrong)[:4]:  # a log that was rewritten after the rate was published
        wrong[name]["resolved"] = not wrong[name]["resolved"]
    wrong[list(wrong)[5]]["resolved"] = wrong[list(wrong)[6]]["resolved"] = True
    sessions, done = bring(LEADERBOARD, board_json=board)
    assert [(one.group, one.figure) for one in done.contradictions] == [("model=model-7", "success_rate_of_all")]
    assert done.sessions[Outcome.UNKNOWN] == INSTANCES
    found = rates(sessions, "model")
    assert (found["model-7"].value, found["model-7"].left_out) == (None, INSTANCES)
    assert found["model-8"].value == pytest.approx(board["model-8"]["resolved_percent"] / 100)
    assert len(sessions.where(**{"tags.contradicted": "success_rate_of_all"})) == INSTANCES


# Runs of a shop agent, some of which the provider broke


RUN_LOGS = {
    "rows": "tasks.*",
    "fields": {
        "id": {"join": ["^run_id", "spec"]},
        "experiment": "^run_id",
        "model": "^model",
        "task": "spec",
        "success": {"path": "score", "at_least": 1},
        "score": "score",
        "errors": "error",
    },
    "aggregates": [{"group": {"experiment": "run_id"}, "figures": {"success_rate_of_all": "final_score"}}],
}


def shop_runs():
    chance, files = random.Random(1), {}
    for r in range(RUNS):
        broken = 0.9 if r % 7 == 0 else 0.01
        tasks = []
        for t in range(TASKS):
            failed = chance.random() < broken
            score = 0.0 if failed else float(chance.random() < 0.6)
            error = "openai.RateLimitError: Error code: 429 - slow down" if failed else None
            tasks.append({"spec": f"shop-{t:03}", "score": score, "error": error})
        final = sum(task["score"] for task in tasks) / TASKS
        files[f"run{r:02}_json"] = {"run_id": f"run{r:02}", "model": f"m{r % 5}", "final_score": final, "tasks": tasks}
    return files


def test_runs_that_the_provider_broke_say_nothing_of_the_agent(bring):
    files = shop_runs()
    sessions, done = bring(RUN_LOGS, **files)
    broken = sum(task["error"] is not None for run in files.values() for task in run["tasks"])
    assert (done.read, done.problems) == (RUNS * TASKS, [])
    assert done.sessions[Outcome.INFRASTRUCTURE] == broken > 240
    assert (done.agreed, done.contradictions) == (RUNS, [])  # the published figure counts every task
    [one] = sessions.study().groups
    rate = one.estimates["success_rate"]
    assert (rate.n, rate.left_out) == (RUNS * TASKS - broken, broken)
    assert rate.low < 0.6 < rate.high
    published = sum(run["final_score"] for run in files.values()) / RUNS
    assert published < rate.low - 0.03  # which took the provider's failures for the agent's
    worst = sessions.where(experiment="run00").study().groups[0].estimates
    assert worst["infrastructure_rate"].value > 0.8
    assert worst["success_rate"].n < 15


# Logs that do not say how it ended


def test_unknown_success_is_no_failure(bring):
    rows = [{"id": f"s{n}", "task": f"t{n % 9}", "ok": [True, False, None, "n/a"][n % 4]} for n in range(40)]
    rows += [{"id": f"x{n}", "task": "t"} for n in range(3)]
    mapping = {"fields": {"id": "id", "task": "task", "success": "ok"}}
    sessions, done = bring(mapping, log_jsonl="".join(json.dumps(row) + "\n" for row in rows))
    assert done.sessions == {Outcome.SUCCESS: 10, Outcome.AGENT_FAILURE: 10, Outcome.UNKNOWN: 23}
    rate = sessions.study().groups[0].estimates["success_rate"]
    assert (rate.value, rate.n, rate.left_out) == (0.5, 20, 23)


# Versions of an agent with tokens and latency, as a table


VERSIONED = {
    "fields": {
        "id": {"join": ["version", "task", "attempt"]},
        "experiment": "version",
        "config_hash": "version",
        "task": "task",
        "trial": "attempt",
        "success": "passed",
        "input_tokens": "prompt_tokens",
        "output_tokens": "completion_tokens",
        "latency_s": {"path": "latency_ms", "scale": 0.001},
    },
    "aggregates": [
        {"file": "published.json", "rows": "*", "group": {"experiment": "$key"},
         "figures": {"success_rate": "pass_rate", "mean_tokens": "tokens", "mean_latency_s": "seconds"}}
    ],
}  # fmt: skip


def test_versions_with_tokens_and_latency_give_their_figures_and_a_frontier(bring):
    chance, text, published = random.Random(2), io.StringIO(), {}
    table = csv.writer(text)
    table.writerow(["version", "task", "attempt", "passed", "prompt_tokens", "completion_tokens", "latency_ms"])
    for v in range(VERSIONS):
        rows = [(chance.random() < 0.2 + 0.01 * v, 900 + 10 * v + t, 100, 1500 + v) for t in range(6) for _ in range(2)]
        for place, (passed, sent, received, ms) in enumerate(rows):
            table.writerow([f"v{v:02}", f"t{place // 2}", place % 2, "yes" if passed else "no", sent, received, ms])
        published[f"v{v:02}"] = {
            "pass_rate": sum(row[0] for row in rows) / len(rows),
            "tokens": sum(row[1] + row[2] for row in rows) / len(rows),
            "seconds": (1500 + v) / 1000,
        }
    published["v66"]["tokens"] += 50
    sessions, done = bring(VERSIONED, versions_csv=text.getvalue(), published_json=published)
    assert done.agreed == 3 * VERSIONS - 1
    assert [(one.group, one.figure) for one in done.contradictions] == [("experiment=v66", "mean_tokens")]
    groups = sessions.store.tally(
        [METRICS.get(name) for name in ("success_rate", "tokens", "latency")], ["experiment"], FilterChain()
    )
    assert estimate(groups[3], METRICS.get("latency")).value == pytest.approx(1.503)
    front = {one.name for one in frontier(groups, "tokens").placed if one.standing == "front"}
    worth = {name: (one["pass_rate"], -one["tokens"] + 50 * (name == "v66")) for name, one in published.items()}
    for name, (rate, cheap) in worth.items():  # by hand: nobody is at least as good and as cheap, and better in one
        beaten = any(r >= rate and c >= cheap and (r, c) != (rate, cheap) for r, c in worth.values())
        assert (name in front) is not beaten
    assert done.problems == []
