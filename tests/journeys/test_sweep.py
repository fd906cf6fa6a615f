"""A sweep as a person runs it: every patch fully applied, ranked on the holdout, continued without paying again."""

import contextlib
import json

import pytest
import yaml

from core.errors import DataError
from core.evaluation import Usage
from experiments.sweep import Entry, ranked, read_patches
from tests.journeys.commands import run, started, until
from tests.notes import notes
from tests.provider import Provider, serving
from tracking.events import EventKind
from tracking.store import Store

PATCHES = """# what is tried
{"models": {"student": "mind"}}

// beside it
{"optimizer": {"minibatch": 4}}
{"outputs": {"kind": {"weight": 2}}, "metric": {"threshold": 0.9}}
{"split": {"counts": {"train": 20, "dev": 22, "holdout": 50}}, "gate": "DROP", "nonsense": "DROP"}
"""


def entry(name, scores, *, measured="m", dev=0.5):
    return Entry(name, name, "PROMOTE", {str(n): s for n, s in enumerate(scores)}, measured, dev, Usage())


def test_comments_and_blank_lines_are_no_patches_and_every_bad_line_is_named(tmp_path):
    path = tmp_path / "patches.jsonl"
    path.write_text(PATCHES)
    assert [patch.line for patch in read_patches(path)] == [2, 5, 6, 7]
    path.write_text("# nothing\n")
    with pytest.raises(DataError, match="no patch in it"):
        read_patches(path)
    path.write_text('{"a": 1}\n[1]\n{"a": \n')
    with pytest.raises(DataError, match=r"(?s)patches.jsonl:2: a patch is a JSON object.*patches.jsonl:3"):
        read_patches(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_patches(tmp_path / "none.jsonl")


def test_the_leaderboard_corrects_its_comparisons_and_says_what_does_not_compare():
    good, bad = [1.0] * 18 + [0.0] * 12, [1.0] * 4 + [0.0] * 26
    near = [1.0] * 17 + [0.0] * 13
    closed, other = entry("closed", [], dev=0.9), entry("other", [0.1] * 30, measured="n")
    found = ranked("notes", [entry("bad", bad), closed, entry("good", good), other, entry("near", near)]).standings
    assert [s.entry.patch for s in found] == ["good", "near", "bad", "other", "closed"]
    by = {s.entry.patch: s for s in found}
    assert by["good"].p_value is None
    assert by["bad"].p_value < 0.025
    assert by["near"].p_value > 0.025
    assert by["bad"].rows == 30
    assert by["bad"].behind == pytest.approx(14 / 30)
    alone = ranked("notes", [entry("good", good), entry("bad", bad)]).standings[1]
    assert by["bad"].p_value == pytest.approx(2 * alone.p_value)  # Holm over two comparisons
    assert "scores do not compare" in by["other"].note
    assert "holdout stayed closed" in by["closed"].note
    assert (by["other"].p_value, by["closed"].p_value) == (None, None)


SMALL = ("--set", "optimizer.budget=100", "--set", "tracking.rows=none")


def killed(provider, calls, *words):
    """Run a command, and kill it as soon as the provider has seen so many calls; whether it was still at work."""
    process = started(*words)
    until(lambda: process.poll() is not None or len(provider.seen) >= calls)
    alive = process.poll() is None
    process.kill()
    return alive


def test_four_patches_are_four_configurations_and_killed_or_called_again_nothing_is_paid_twice(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        (tmp_path / "patches.jsonl").write_text(PATCHES)
        words = (
            "sweep",
            "notes",
            "--patches",
            tmp_path / "patches.jsonl",
            "--set",
            "optimizer.budget=100",
            "--set",
            "tracking.rows=none",
            "--json",
        )
        plan = json.loads(run(*words, "--dry-run", workspace=tmp_path)[1])
        assert plan["patches"] == 4
        assert 0 < plan["cost_low"] < plan["cost_usd"] < plan["cost_high"]
        code, _, err = run(*words, "--max-calls", "400", workspace=tmp_path, check=False)
        assert code == 75, err  # the cap holds over all patches together
        assert len(provider.seen) <= 460
        assert killed(provider, len(provider.seen) + 150, *words, "--workspace", tmp_path)
        assert len(provider.seen) < 900  # in the middle
        body = json.loads(run(*words, workspace=tmp_path)[1])
        paid = len(provider.seen)
        again = json.loads(run(*words, workspace=tmp_path)[1])
        assert len(provider.seen) == paid
        assert provider.repeated == 0
    board = body["leaderboard"]
    scores = [place["score"] for place in board if place["score"] is not None]
    assert len(board) == 4
    assert scores == sorted(scores, reverse=True)
    assert [place["score"] for place in again["leaderboard"]] == [place["score"] for place in board]
    with contextlib.closing(Store(tmp_path / "mlruns" / "proven.db")) as store:
        configs = {place["patch"]: store.started(place["run_id"]).config for place in board}
        runs = {place["patch"]: store.started(place["run_id"]) for place in board}
        swept = store.events(body["run_id"], kind=EventKind.SWEPT)
        assert until(lambda: run("sync", workspace=tmp_path, check=False)[0] == 0)
        in_mlflow = {place["patch"]: store.run(place["run_id"]).mlflow_run for place in board}
    student, minibatch, weights, subset = (configs[json.dumps(json.loads(line))] for line in PATCHES.splitlines()
                                           if line.startswith("{"))  # fmt: skip
    told = {path.parent.parent.name: yaml.safe_load(path.read_text("utf-8"))
            for path in (tmp_path / "mlruns").rglob("config.yaml")}  # fmt: skip
    assert all(told[in_mlflow[patch]] == config for patch, config in configs.items())
    assert len(swept) == 4
    assert all(start.tags["sweep"] == body["run_id"] for start in runs.values())
    assert (student["models"]["student"], minibatch["models"]["student"]) == ("mind", "far")
    assert (minibatch["optimizer"]["minibatch"], weights["optimizer"]["minibatch"]) == (4, 8)
    assert (weights["outputs"]["kind"]["weight"], subset["outputs"]["kind"]["weight"]) == (2, 1)
    assert (weights["metric"]["threshold"], student["metric"]["threshold"]) == (0.9, 0.7)
    sizes = [start.params["n_train"] for start in runs.values()]
    assert sorted(sizes) == ["20", "48", "48", "48"]
    assert subset["split"]["counts"]["train"] == 20


def test_a_mistake_in_a_patch_is_named_by_its_line_before_anything_is_asked(tmp_path):
    notes(tmp_path, "http://127.0.0.1:9/v1")
    (tmp_path / "patches.jsonl").write_text('{"optimizer": {"minibatch": 4}}\n{"optimizer": {"minibath": 4}}\n')
    words = ("sweep", "notes", "--patches", tmp_path / "patches.jsonl")
    code, out, err = run(*words, workspace=tmp_path, check=False)
    assert code == 78
    assert "patch of line 2: optimizer.minibath: unknown key" in out + err
