"""Optimisers compared on real programs: what is run, what is left out, what is told."""

import json
from xml.etree import ElementTree

import pytest

from bench.curves import Curve, Panel, drawing
from bench.search_tasks import TaskRecord, against, grouped, main, panels


def record(task, optimizer, budget, salt, score, seed=0.3):
    return TaskRecord(
        task, budget, optimizer, salt, seed_score=seed, score=score, dev_lift=0.1, adopted=True, verdict="PROMOTE"
    )


def test_two_optimisers_are_compared_by_salt_at_their_budgets_and_then_over_all_tasks():
    groups = grouped(
        [
            *(record("snips", "gepa", 1000, salt, 0.50 + salt / 100) for salt in range(3)),
            *(record("snips", "mipro", 3000, salt, 0.48 + salt / 100) for salt in range(3)),
            *(record("snips", "mipro", 300, salt, 0.2) for salt in range(3)),  # its largest budget counts
            *(record("extraction", "gepa", 1000, salt, 0.40) for salt in range(2)),
            *(record("extraction", "mipro", 3000, salt, 0.46) for salt in range(3)),  # a salt that only one has
            *(record("banking77", "mipro", 3000, salt, 0.9) for salt in range(3)),  # a task that only one has
        ]
    )
    assert list(against(groups, "gepa", 1000))[2:] == [
        "| mipro at 3000 | snips | +2.0 (+2.0 to +2.0) |",
        "| mipro at 3000 | extraction | -6.0 (-6.0 to -6.0) |",
        "| mipro | all | -2.0 (-2.0 to -2.0) |",  # over the two salts that both tasks have
    ]


def test_a_gold_file_becomes_a_task_and_one_that_is_absent_is_left_out_by_name(tmp_path, capsys):
    words = {"billing": "invoice", "access": "password", "delivery": "parcel"}
    rows = [
        {"id": f"r{n}", "input": {"text": f"note {n} about the {word}"}, "label": {"team": team}, "split": "train"}
        for n in range(24)
        for team, word in words.items()
    ]
    data, out = tmp_path / "data", tmp_path / "found.jsonl"
    data.mkdir()
    lines = [json.dumps({**row, "id": f"{row['id']}-{place}"}) for place, row in enumerate(rows)]
    (data / "snips.jsonl").write_text("\n".join(lines))
    asked = ["--tasks", "snips,banking77", "--budgets", "60", "--optimizers", "bootstrap", "--data", str(data)]
    main([*asked, "--salts", "1", "--out", str(out), "--svg", str(tmp_path / "c.svg"), "--against", "bootstrap:60"])
    told = capsys.readouterr()
    assert "left out: banking77" in told.err
    assert "| snips | bootstrap | 60 | 1 |" in told.out
    (body,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert sum(body["rows"]) <= 72
    assert min(body["rows"]) >= 10
    assert body["score"] >= body["seed_score"] >= 0
    assert body["runs"] > body["rows"][1]
    assert not body["error"]
    before = out.read_text()
    main([*asked, "--salts", "1", "--out", str(out)])  # nothing is left to run
    assert out.read_text() == before


def test_a_search_that_fails_is_kept_with_its_reason_and_is_no_score(tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "found.jsonl"
    data.mkdir()
    (data / "snips.jsonl").write_text('{"id": "1", "input": {"text": "a"}, "label": {"team": "b"}}\n')
    main(["--tasks", "snips", "--budgets", "60", "--optimizers", "bootstrap", "--salts", "1", "--data", str(data),
          "--out", str(out)])  # fmt: skip
    assert "DataError" in json.loads(out.read_text())["error"]
    assert "| snips | bootstrap | 60 | 0 (1 failed) | - | - | - | - | - | - | 0 |" in capsys.readouterr().out


def test_curves_have_a_panel_for_each_task_and_whiskers_where_there_are_intervals():
    groups = grouped([record("snips", "gepa", budget, salt, 0.5) for budget in (300, 3000) for salt in range(2)])
    panel = panels(groups)[0]
    assert panel == Panel("snips", 0.3, (Curve("gepa", ((300, 0.5, (0.5, 0.5)), (3000, 0.5, (0.5, 0.5)))),))
    drawn = drawing([panel, Panel("a & b", None, (Curve("gepa", ((300, 0.1, None),)),))], "runs", "score")
    root = ElementTree.fromstring(drawn)
    circles = [node for node in root.iter("{http://www.w3.org/2000/svg}circle") if node.get("r") == "3"]
    assert len(circles) == 3
    assert "a &amp; b" in drawn
    first, last = (float(node.get("cx")) for node in circles[:2])
    assert (first, last) == (52, 278)
    with pytest.raises(ValueError, match="received 1 panels without a point"):
        drawing([Panel("a", 0.5, ())], "runs", "score")
