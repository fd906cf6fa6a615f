"""``experiment``, ``watch`` and ``kpis`` as a person types them."""

import json
import random

from tests.journeys.commands import run


def recorded(path):
    lines = [
        {"id": f"{arm}{task}", "strategy": arm, "task": task, "success": random.Random(f"{arm}{task}").random() < rate}
        for arm, rate in (("a", 0.5), ("b", 0.85))
        for task in range(120)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_replay_is_decided_watched_and_counted_once(tmp_path):
    (tmp_path / "configs").mkdir()
    words = ["experiment", "--replay", recorded(tmp_path / "r.jsonl")]
    words += ["--control-where", "strategy=a", "--test-where", "strategy=b"]
    _, out, err = run(*words, workspace=tmp_path)
    assert "Accepted" in out
    assert "-2.25 |" in err
    assert run("watch", "--once", workspace=tmp_path)[1].count("+3.05, accept") == 1
    shown = json.loads(run("watch", "--json", workspace=tmp_path)[1])["experiments"]
    assert [(row["decision"], row["state"], row["method"]) for row in shown] == [("accept", "finished", "sprt")]
    figures = {one["name"]: one["value"] for one in json.loads(run("kpis", "--json", workspace=tmp_path)[1])["kpis"]}
    assert figures == {"velocity": 0, "saved": None, "autonomy": None, "pivots": 0, "blocking": None}  # a replay
    code, _, err = run(*words, "--method", "fixed", workspace=tmp_path, check=False)
    assert code == 64
    assert "another test on the same stream" in err.lower()
    code, _, err = run("experiment", "--control", "nowhere", "--test", "x", workspace=tmp_path, check=False)
    assert code == 64
    assert "there is no experiment configuration 'nowhere'" in err
