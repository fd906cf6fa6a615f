"""Sessions from Python: chosen without being read, measured as the commands measure, added to."""

import json

import proven
from sessions.filters import SessionFilter
from tests.sessions.recorded import planted, seeded


def test_a_selection_is_chosen_measured_and_added_to(tmp_path):
    (tmp_path / "configs").mkdir()
    sessions = proven.sessions(workspace=tmp_path)
    made = [*planted(seeded(1), tasks=30, rate=0.9, model="a"), *planted(seeded(2), tasks=30, rate=0.2, model="b")]
    assert sessions.append(made).added == len(sessions) == 120
    assert len(sessions.where(model="a").last(7)) == 7
    assert {s.model for s in sessions.add(SessionFilter(match={"model": ("b",)}))} == {"b"}
    study = sessions.study("model", reference="a")
    assert [one.group.name for one in study.groups] == ["a", "b"]
    assert study.contrasts[0].effect < -0.5
    assert study.contrasts[0].p_adjusted < 0.001
    assert sessions.where(model="a").columns("success")["success"].sum() == sum(bool(s.success) for s in made[:60])
    assert sessions.patterns().findings[0].what == "model is b"
    assert sessions.get(made[0].id) == made[0]


def test_logs_are_read_with_a_mapping_and_problems_are_told(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "log.jsonl").write_text(json.dumps({"n": "x", "t": "t1", "ok": True}) + '\n{"n": "y"', "utf-8")
    (tmp_path / "m.yaml").write_text("fields: {id: n, task: t, success: ok}\n", "utf-8")
    done = proven.sessions(workspace=tmp_path).read(tmp_path / "log.jsonl", mapping=tmp_path / "m.yaml")
    assert (done.added, len(done.problems)) == (1, 1)
