"""From sessions to a proposer that is tuned on them: the rows, the search, and lessons by the prompt that it found."""

import json

from core.workspace import HOME
from sessions.record import Outcome, Session, Step
from sessions.store import SessionStore
from tests.journeys.commands import run

KINDS = (("parcel", "weigh", "ship"), ("coupon", "check_limits", "apply"), ("order", "check_permission", "cancel"))
LEARNING = "learning:\n  prompts:\n    synthesis: {}\n"
KNOWN = {
    "cue": {"type": "keyword", "pattern": "parcel"},
    "action": {"imperative": "Call weigh before ship", "handle": "weigh"},
}


def session(name, task, asked, *tools):
    success = name.startswith("good")
    steps = (Step("user", asked), *(Step("tool", tool=tool) for tool in tools))
    return Session(name, task=task, success=success, outcome=Outcome.of(success), trajectory=steps)


def workspace(root, tasks):
    """An agent that looks before it acts solves its tasks; requests name people and orders."""
    (root / "configs").mkdir()
    (root / "configs" / "models.yaml").write_bytes((HOME / "configs" / "models.yaml").read_bytes())
    with SessionStore(f"sqlite:///{root / 'mlruns' / 'sessions.db'}") as store:
        for n in range(tasks):
            thing, look, act = KINDS[n % len(KINDS)]
            asked = f"the {thing} of order ORD-{2_000 + n}, for Maria please"
            store.append([session(f"good{n}", f"t{n}", asked, look, act)])
            if n % 6 != 3:  # every other parcel goes well whoever sends it, so that weighing has an impact above zero
                store.append([session(f"bad{n}", f"t{n}", asked, act)])
    return root


def test_gepa_tunes_the_proposer_by_rubric_and_measured_impact_and_propose_takes_what_it_found(tmp_path):
    place = workspace(tmp_path, 100)
    learning = place / "learning.yaml"
    learning.write_text(LEARNING.format("Propose lessons from the session."), "utf-8")
    (place / "known.json").write_text(json.dumps(KNOWN), "utf-8")
    propose = ("playbook", "propose", "--key", "shop", "--config", learning, "--json")

    _, out, _ = run(*propose, "--dry-run", "--most", "1", workspace=place)
    assert "proper noun 'Maria'" in json.loads(out)["entries"][0]["why"]

    run(*propose, place / "known.json", workspace=place)
    run(*propose, "--most", "100", "--corpus", place / "rows.jsonl", workspace=place)
    rows = [json.loads(line) for line in (place / "rows.jsonl").read_text("utf-8").splitlines()]
    ((handle, impact),) = [one.values() for one in rows[0]["label"]["measured"]]
    assert (handle, round(impact, 3)) == ("weigh", 0.111)
    _, out, _ = run(
        "optimize", place / "rows.yaml", "--optimizer", "gepa", "--budget", "120", "--json", workspace=place
    )
    done = json.loads(out)
    assert done["verdict"] == "PROMOTE"
    parcels = sum(row["split"] == "holdout" and "parcel" in row["input"]["latest_session"] for row in rows)
    worth = 0.8 + 0.2 * (0.5 + impact * parcels / done["n"])
    assert (done["baseline"], round(done["candidate"], 6)) == (0.0, round(worth, 6))

    learning.write_text(LEARNING.format(f"run:{done['run_id']}"), "utf-8")
    _, out, _ = run(*propose, "--most", "1", workspace=place)
    (entry,) = json.loads(out)["entries"]
    assert (entry["accepted"], round(entry["total"], 6)) == (True, 1.0)
