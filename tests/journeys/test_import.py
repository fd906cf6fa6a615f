"""``import`` from a person's sessions to a corpus, and to a task that runs on it."""

import json

import pytest

from core.workspace import Workspace
from tasks.task import assemble, read_config
from tests.journeys.commands import started


def run(*words, workspace, cwd=None):
    """Run cli.py in a folder; returns (exit code, stdout, stderr)."""
    code, out, err = started(*words, workspace=workspace, cwd=cwd).ended()
    assert "Traceback" not in err
    return code, out, err


@pytest.fixture
def shop(tmp_path):
    """A workspace with a folder of notes: conversation N has N user messages, up to twelve."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "notes").mkdir()
    for number in range(1, 13):
        turns = [f"User: request {number}.{i} about {['oven', 'sink', 'lawn', 'desk'][i % 4]}\n" for i in range(number)]
        (tmp_path / "notes" / f"n{number:02}.md").write_text("Assistant: done\n".join(turns), "utf-8")
    return tmp_path


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_folder_becomes_rows_with_id_transcript_and_where_it_came_from(shop):
    code, out, err = run("import", shop / "notes", "--out", "corpora/notes.jsonl", workspace=shop)
    assert (code, err) == (0, "")
    *told, then = out.splitlines()
    assert told == [
        f"wrote {shop / 'corpora' / 'notes.jsonl'}: 12 transcripts",
        "  found      12 in 12 files (12 text)",
    ]
    assert then.startswith(f"next: python cli.py import {shop / 'notes'} --out corpora/notes.jsonl --task NAME --force")
    written = rows(shop / "corpora" / "notes.jsonl")
    assert written[1]["input"] == {
        "transcript": "[user] request 2.0 about oven\n[assistant] done\n[user] request 2.1 about sink"
    }
    assert written[1]["metadata"] == {"source": "n02.md", "format": "text", "user_messages": 2}
    assert len({row["id"] for row in written}) == 12


def test_count_and_user_messages_choose_and_every_transcript_is_accounted_for(shop):
    words = ("import", shop / "notes", "--min-user-messages", "5", "--count", "3", "--json")
    _, out, _ = run(*words, "--out", "corpora/a.jsonl", workspace=shop)
    body = json.loads(out)
    assert {k: body[k] for k in ("found", "too_few_user_messages", "not_chosen", "written", "formats")} == {
        "found": 12, "too_few_user_messages": 4, "not_chosen": 5, "written": 3, "formats": {"text": 12},
    }  # fmt: skip
    written = rows(shop / "corpora" / "a.jsonl")
    assert min(row["metadata"]["user_messages"] for row in written) >= 5
    for path in (shop / "notes").iterdir():
        path.rename(path.with_name(f"{99 - int(path.stem[1:])}.md"))
    run(*words, "--out", "corpora/b.jsonl", workspace=shop)
    assert {r["id"] for r in rows(shop / "corpora" / "b.jsonl")} == {r["id"] for r in written}


def test_an_existing_corpus_is_overwritten_only_by_force(shop):
    words = ("import", shop / "notes", "--out", "corpora/notes.jsonl")
    run(*words, workspace=shop)
    before = (shop / "corpora" / "notes.jsonl").read_bytes()
    code, _, err = run(*words, "--count", "1", workspace=shop)
    assert code == 64
    assert "--force" in err
    assert (shop / "corpora" / "notes.jsonl").read_bytes() == before
    assert run(*words, "--count", "1", "--force", workspace=shop)[0] == 0
    assert len(rows(shop / "corpora" / "notes.jsonl")) == 1
    assert [p.name for p in (shop / "corpora").iterdir()] == ["notes.jsonl"]


def test_bad_lines_end_the_import_and_with_lenient_they_are_counted(shop):
    source = shop / "s.jsonl"
    source.write_text('{"id": 1, "transcript": "[user] hi"}\n{"id": 2,\n', "utf-8")
    code, out, err = run("import", source, "--out", "corpora/s.jsonl", workspace=shop)
    assert (code, out) == (65, "")
    assert "s.jsonl:2: not JSON" in err
    assert not (shop / "corpora").exists()
    _, out, _ = run("import", source, "--out", "corpora/s.jsonl", "--lenient", workspace=shop)
    assert "  skipped    1 lines or files that cannot be read:\n    s.jsonl:2: not JSON" in out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("notes", "--out", "corpora/x.csv"), 64, "ends in .jsonl"),
        (("nowhere", "--out", "corpora/x.jsonl"), 64, "no such file or folder"),
        (("notes", "--out", "corpora/x.jsonl", "--format", "chatgpt"), 64, "auto, claude-code, codex, mlflow, openai"),
        (("notes", "--out", "corpora/x.jsonl", "--min-user-messages", "13"), 65, "the most is 12"),
        (("notes", "--out", "corpora/x.jsonl", "--count", "0"), 64, "count"),
        (("notes",), 64, "--out"),
    ],
)
def test_what_cannot_be_done_says_what_is_allowed(shop, words, code, says):
    got, _, err = run("import", *words, workspace=shop, cwd=shop)
    assert got == code
    assert says in err


def test_keys_of_the_environment_do_not_reach_the_corpus(shop):
    (shop / ".env").write_text("SHOP_API_KEY=shop-5e1f9c2a77\n", "utf-8")
    (shop / "notes" / "n01.md").write_text("User: it says shop-5e1f9c2a77 is invalid", "utf-8")
    run("import", shop / "notes", "--out", "corpora/notes.jsonl", workspace=shop)
    assert (
        rows(shop / "corpora" / "notes.jsonl")[0]["input"]["transcript"] == "[user] it says <SHOP_API_KEY> is invalid"
    )


TASK = """task: digest
program: analyst
inputs: {transcript: {type: text}}
outputs: {digest: {type: text}}
corpus: {source: corpora/notes.jsonl, format: rows, count: 10, min_user_messages: 2}
metric: {name: "brevity:Brevity"}
"""
METRIC = '''from core.evaluation import Judgement


class Brevity:
    """The shorter the better."""

    name = "brevity"

    def judge(self, row, prediction):
        return Judgement(1.0 / (1 + len(str(prediction.get("digest", "")))))
'''


def test_an_imported_corpus_feeds_a_task_whose_metric_needs_no_gold(shop):
    run("import", shop / "notes", "--out", "corpora/notes.jsonl", workspace=shop)
    (shop / "configs" / "digest.yaml").write_text(TASK, "utf-8")
    (shop / "brevity.py").write_text(METRIC, "utf-8")
    code, out, err = run("validate", "digest", workspace=shop)
    assert (code, err) == (0, ""), out
    assert out.startswith("digest: ok, ")
    place = Workspace(shop)
    config = read_config(place, "digest", [])
    loaded = assemble(config, place).corpus.rows
    by_id = {row["id"]: row["input"]["transcript"] for row in rows(shop / "corpora" / "notes.jsonl")}
    assert len(loaded) == 10
    assert all(row.inputs == {"transcript": by_id[row.id]} and row.gold == {} for row in loaded)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("metric.name=field_agreement", "transcripts have no gold"),
        ("corpus.path=rows.jsonl", "only one of them"),
        ("corpus.source=DROP", "name either path"),
        ("corpus.field=text", "'text' must be the only input"),
        ("inputs.more={type: text}", "name the input that a transcript fills"),
        ("corpus.count=0", "greater than or equal to 1"),
        ("corpus.format=chatgpt", "'claude-code', 'codex'"),
    ],
)
def test_a_source_that_does_not_fit_its_task_is_a_mistake_in_the_configuration(shop, override, says):
    (shop / "configs" / "digest.yaml").write_text(TASK, "utf-8")
    code, out, _ = run("validate", "digest", "--set", override, workspace=shop)
    assert code == 78
    assert says in out
