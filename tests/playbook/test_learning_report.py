"""The learning report, end to end: sessions and playbooks in, files out, and what changed since the last one."""

import json
from dataclasses import replace

import pytest

from core.workspace import HOME, Workspace
from playbook.book import slug
from sessions.record import Outcome, Session, Step
from sessions.store import SessionStore, open_sessions
from tests.journeys.commands import run
from tests.playbook.test_commands import GOOD
from tests.sessions.recorded import DATA, on_record

FOLLOWED = (Step("user", "please check logs"), Step("assistant", tool="logs.search"))


def session(number, reward, *, key="abc123", tags=None, models=None, steps=FOLLOWED, **fields):
    metadata = {"reward_stats": {"score": reward, "uncertainty": 0.05}} | ({"models": models} if models else {})
    return Session(
        f"{key}-{number}", task=f"t{number % 3}", success=True, outcome=Outcome.SUCCESS,
        started_at=f"2026-01-01T00:{number:02}:00", tags={"learning_key": key, **(tags or {})}, metadata=metadata,
        trajectory=steps, input_tokens=100, **fields,
    )  # fmt: skip


def stored(folder, *sessions):
    with open_sessions(Workspace(folder)) as store:
        store.append(sessions)


def report(folder, *words, code=0):
    found, out, err = run("report-learning", "--json", *words, workspace=folder, check=False)
    assert found == code, err
    return json.loads(out) if code in (0, 1) else err


def summary(folder, key="abc123", where="learning"):
    base = folder / "mlruns" / where if where == "learning" else folder / where
    return json.loads((base / f"{slug(key)}_summary.json").read_text("utf-8"))


def baseline():
    return [session(n, 0.8, tags={"project": "p", "team": "x"}) for n in range(4)]


RECENT = [
    session(10, 0.9, tags={"execution_mode": "coach", "review_status": "approved", "project": "p"},
            models={"student": "student-alpha", "teacher": "teacher-prime"}),
    session(11, 0.88, tags={"execution_mode": "paired", "project": "p"},
            models={"student": "student-beta", "teacher": "teacher-prime"}),
]  # fmt: skip


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "entries.json").write_text(json.dumps([
        GOOD, {**GOOD, "audience": "teacher", "scope": {"category": "differentiation"}},
        {**GOOD, "action": {"imperative": "", "handle": "x"}},
    ]), "utf-8")  # fmt: skip
    run("playbook", "propose", tmp_path / "entries.json", "--key", "abc123", workspace=tmp_path)
    discovery = Session("found-1", task="t1", tags={"kind": "discovery"}, started_at="2025-12-01")
    stored(tmp_path, *baseline(), *RECENT, discovery)
    return tmp_path


def test_every_section_of_a_summary(workspace):
    report(workspace, "--recent-window", "2")
    found = summary(workspace)
    assert found["momentum"]["recent"]["mean"] == pytest.approx(0.89)
    assert found["momentum"]["delta"] == pytest.approx(0.09)
    assert found["modes"]["recent"] == {"coach": 1, "paired": 1}
    assert found["modes"]["all"] == {"coach": 1, "paired": 1, "unsaid": 4}
    assert found["reviews"]["all"] == {"approved": 1, "unsaid": 5}
    counted = {(one["role"], one["model"]): one["sessions"] for one in found["models"] if one["model"]}
    assert counted == {("student", "student-alpha"): 1, ("student", "student-beta"): 1, ("teacher", "teacher-prime"): 2}
    assert found["models"][-1]["latest"] == 0.88
    assert [one["id"] for one in found["discoveries"]] == ["found-1"]
    assert found["latest"][0]["point"]["uncertainty"] == 0.05
    assert found["latest"][0]["events"] == {"user": 1, "assistant": 1}
    assert [entry["cue"]["pattern"] for entry in found["teacher_playbook"]] == ["check logs"]
    assert found["quality"]["candidates"] == 3
    assert found["lifecycle"]["differentiation"] == {"active": 1, "deprecated": 0, "rejected": 0}
    assert len(found["rejected"]) == 1
    assert found["usage"]["hits"] == 6
    assert found["usage"]["adoption_rate"] == 1.0
    assert len(found["playbook_impact"]) == 1, "what a teacher is told does not fire in a student's sessions"
    assert found["playbook_impact"][0]["transfer_success"] is True
    text = (workspace / "mlruns" / "learning" / "abc123_summary.md").read_text("utf-8")
    for title in (
        "Reward momentum", "Execution modes", "Review state", "Model performance", "Discovery context",
        "Latest sessions", "Playbook", "Playbook entry quality", "Playbook entry lifecycle", "Playbook entry impact",
        "Runtime usage", "Efficiency snapshot",
    ):  # fmt: skip
        assert f"\n## {title}\n" in text


def test_a_summary_alone_reads_no_trajectory_and_counts_all_the_same(workspace, monkeypatch):
    from playbook.book import open_playbooks
    from playbook.summary import Asked, summarise

    def forbidden(*_, **__):
        raise AssertionError("sessions were read")

    with open_sessions(Workspace(workspace)) as store:
        monkeypatch.setattr(SessionStore, "sessions", forbidden)
        monkeypatch.setattr(SessionStore, "trajectory", forbidden)
        books = open_playbooks(Workspace(workspace))
        (found,) = summarise(store, books, Asked(recent=2, summary_only=True))
        with pytest.raises(AssertionError, match="sessions were read"):
            summarise(store, books, Asked(recent=2))
    assert found.momentum.delta == pytest.approx(0.09)
    assert found.sessions == 6
    assert found.usage.sessions == 0
    assert found.latest[0].events is None


def test_usage_that_sessions_recorded_is_counted_without_trajectories(tmp_path):
    from playbook.entry import read_entry
    from playbook.usage import session_usage, with_usage

    entry = read_entry(GOOD)
    stored(tmp_path, *(with_usage(one, session_usage([entry], one)) for one in baseline()))
    report(tmp_path, "--summary-only", "--recent-window", "2")
    found = summary(tmp_path)
    assert (found["usage"]["sessions"], found["usage"]["hits"], found["usage_source"]) == (4, 4, "recorded")
    assert found["playbook_impact"][0]["entry_id"] == entry.id


def test_filters_bind_the_baseline_too(workspace):
    stored(workspace, *(session(20 + n, 0.1, key="abc123", tags={"project": "q"}) for n in range(4)))
    report(workspace, "--recent-window", "2", "--filter-project", "p")
    assert summary(workspace)["momentum"]["delta"] == pytest.approx(0.09)
    report(workspace, "--recent-window", "2")
    assert summary(workspace)["momentum"]["recent"]["mean"] == pytest.approx(0.1)
    report(workspace, "--filter-tag", "team=x", "--filter-task", "t1")
    assert summary(workspace)["sessions"] == 1


def test_a_baseline_that_contains_the_recent_window_only_on_request(workspace):
    report(workspace, "--recent-window", "2", "--baseline-window", "50", "--overlapping")
    assert summary(workspace)["momentum"]["delta"] == pytest.approx(0.89 - (4 * 0.8 + 1.78) / 6)


def test_the_latest_keys_and_no_more_than_the_limit(tmp_path):
    stored(tmp_path, *(session(n, 0.5, key="many") for n in range(9)), session(30, 0.5, key="late"))
    assert report(tmp_path, "--limit", "1")["learning_keys"] == ["late"]
    assert report(tmp_path)["learning_keys"] == ["late", "many"]
    assert report(tmp_path, "--learning-key", "many")["learning_keys"] == ["many"]


def test_keys_that_begin_alike_keep_files_of_their_own(tmp_path):
    keys = ("tenant::agent-alpha-01", "tenant::agent-alpha-02")
    stored(tmp_path, *(session(0, 0.5, key=key) for key in keys))
    found = report(tmp_path)
    files = [found["artifacts"][key]["json"] for key in keys]
    assert len(set(files)) == 2
    assert [summary(tmp_path, key)["key"] for key in keys] == list(keys)
    assert slug("abc123") == "abc123"
    assert slug("!!invalid!!").startswith("invalid-")


def test_conditions_and_the_contents_of_labels_are_in_the_manifest(workspace):
    name = summary_entry(workspace)
    (workspace / "labels.json").write_text(json.dumps({name: "differentiation"}), "utf-8")
    report(
        workspace, "--prompt-variant", "schema_v2", "--synthesis-model", "a", "--synthesis-model", "b",
        "--pamphlet-injection", "toggle", "--playbook-entry-labels", workspace / "labels.json", "--no-markdown",
    )  # fmt: skip
    index = json.loads((workspace / "mlruns" / "learning" / "index.json").read_text("utf-8"))
    about = index["run_metadata"]
    assert about["playbook_entry_labels"] == {name: "differentiation"}
    assert (about["prompt_variant"], about["synthesis_models"]) == ("schema_v2", ["a", "b"])
    assert (about["pamphlet_injection"], bool(about["evaluated_at"])) == ("toggle", True)
    assert summary(workspace)["lifecycle"]["differentiation"]["active"] == 2
    assert not list((workspace / "mlruns" / "learning").glob("*.md"))
    assert (workspace / "mlruns" / "learning" / "index.html").exists()


def summary_entry(workspace):
    _, out, _ = run("playbook", "list", "--key", "abc123", "--json", workspace=workspace)
    return json.loads(out)["entries"][0]["id"]


def test_what_changed_since_an_earlier_report(tmp_path):
    def made(number, reward, model="m"):
        return session(number, reward, models={"student": model}, steps=None)

    before, other = made(0, 0.3, "gone"), made(1, 0.7, "m")
    stored(tmp_path, before, other, session(2, 0.5, key="steady", steps=None))
    report(tmp_path, "--recent-window", "2", "--out", tmp_path / "one")
    with open_sessions(Workspace(tmp_path)) as store:
        from sessions.filters import FilterChain

        store.delete(FilterChain().where(id="abc123-0"))
        store.append([made(3, 0.9), made(4, 1.1), session(5, 1.0, key="new", steps=None)])
    found = report(
        tmp_path, "--recent-window", "2", "--out", tmp_path / "two", "--compare-to", tmp_path / "one" / "index.json"
    )
    change = found["comparisons"]["abc123"]
    assert change["recent_mean_delta"] == pytest.approx(0.5)
    assert change["latest_score_delta"] == pytest.approx(0.4)
    assert change["session_count_delta"] == 1
    assert change["model_deltas"]["student:m"]["reward_mean"] == pytest.approx(0.2)
    assert change["model_deltas"]["student:gone"] == {"sessions": -1, "reward_mean": None}
    assert found["aggregate"]["recent_mean_best"][0][0] == "abc123"
    assert found["aggregate"]["session_growth"] == [["abc123", 1.0]]
    assert found["missing"] == ["new"]
    assert "Comparison vs previous run" in (tmp_path / "two" / "abc123_summary.md").read_text("utf-8")


def test_deltas_are_now_less_before(workspace):
    from playbook.book import open_playbooks
    from playbook.manifest import aggregate, compare
    from playbook.summary import Asked, ModelUse, summarise

    def said(found, recent, latest, sessions, mean):
        window = replace(found.momentum.recent, mean=recent)
        models = (ModelUse("student", "m", sessions, mean, latest),)
        moved = replace(found.momentum, recent=window, latest=latest)
        return replace(found, momentum=moved, sessions=sessions, models=models)

    with open_sessions(Workspace(workspace)) as store:
        (found,) = summarise(store, open_playbooks(Workspace(workspace)), Asked())
    change = compare(said(found, 1.0, 1.1, 3, 1.0), said(found, 0.5, 0.7, 2, 0.4))
    assert (change.recent_mean_delta, change.session_count_delta) == (0.5, 1)
    assert change.latest_score_delta == pytest.approx(0.4)
    assert change.model_deltas["student:m"].reward_mean == pytest.approx(0.6)
    assert aggregate({"abc123": change})["recent_mean_best"] == (("abc123", 0.5),)


def test_changes_in_cues_and_adoption_are_compared(workspace):
    report(workspace, "--out", workspace / "one")
    stored(workspace, session(40, 0.5, steps=(Step("user", "please check logs"),)))
    found = report(workspace, "--out", workspace / "two", "--compare-to", workspace / "one")
    change = found["comparisons"]["abc123"]
    assert (change["cue_hits_delta"], change["adoptions_delta"]) == (1, 0)
    assert change["adoption_rate_delta"] == pytest.approx(6 / 7 - 1)
    assert found["aggregate"]["adoption_worst"][0][0] == "abc123"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--compare-to", "nowhere"], 65, "cannot be read"),
        (["--pamphlet-injection", "maybe"], 64, "allowed: on, off, toggle"),
        (["--control", "nobody"], 64, "not among the keys"),
    ],
)
def test_mistakes_are_named(workspace, words, code, said):
    assert said in report(workspace, *words, code=code)


def test_without_a_learning_key_there_is_nothing_to_report(tmp_path):
    assert report(tmp_path, code=1)["learning_keys"] == []


@on_record
def test_agents_that_keep_notes_gain_in_one_environment_and_not_in_the_other(tmp_path):
    mapping = HOME / "configs" / "sessions" / "reflexion.yaml"
    run("sessions", "import", DATA / "reflexion_learning.jsonl", "--mapping", mapping, workspace=tmp_path)
    report(tmp_path, "--control", "alfworld/base", "--control", "webshop/base_2", "--summary-only")
    published = json.loads((DATA / "reflexion_learning.meta.json").read_text("utf-8"))["oracle"]
    for key, oracle in published.items():
        solved = summary(tmp_path, key)["curve"]["solved"]
        assert [round(share, 3) for share in solved] == oracle["cumulative_success_by_trial"]

    gain = summary(tmp_path, "alfworld/reflexion")["control"]
    assert (gain["tasks"], round(gain["delta"], 3)) == (134, 0.164)
    assert gain["low"] > 0.1
    assert gain["holm"] < 1e-4
    for key in ("webshop/reflexion_1", "webshop/reflexion_2"):
        none = summary(tmp_path, key)["control"]
        assert (none["tasks"], none["low"] < 0 < none["high"], none["holm"]) == (100, True, 1.0)
