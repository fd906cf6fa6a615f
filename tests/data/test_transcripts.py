"""Transcripts: the house form there and back, who counts as a user, which are chosen, every mistake with its place."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError, UsageError
from data.formats import AUTO, FORMATS
from data.transcript_files import read_transcripts
from data.transcripts import Transcript, Turn, parse_text, render, select, tidy, tidy_name, with_ids

HOME = Path(__file__).resolve().parents[2]
SHARED = HOME.parent / "shared" / "data"
HOUSE = """[user] the export fails since Monday
[assistant] Let me look at the log.
[tool: bash]
$ tail -2 export.log
KeyError: 'depot'
[user: Hedda] that was me, sorry
[assistant] Fixed: the column is called `depot_id` now."""


def said(*texts, name="t"):
    return Transcript(name, tuple(Turn("user", text) for text in texts), "x.jsonl:1", {"format": "rows"})


def read(root, name, **given):
    return read_transcripts(name, root=root, **given)


def test_the_house_form_is_read_and_written_back_to_the_letter():
    turns = parse_text(HOUSE)
    assert turns == (
        Turn("user", "the export fails since Monday"),
        Turn("assistant", "Let me look at the log."),
        Turn("tool", "\n$ tail -2 export.log\nKeyError: 'depot'", "bash"),
        Turn("user", "that was me, sorry", "Hedda"),
        Turn("assistant", "Fixed: the column is called `depot_id` now."),
    )
    assert render(turns) == HOUSE


def test_the_project_s_own_transcripts_keep_every_word_and_most_of_them_every_letter():
    rows = [json.loads(line) for line in (HOME / "corpora" / "transcripts.jsonl").read_text("utf-8").splitlines()]
    texts = [row["input"]["transcript"] for row in rows]
    written = [render(parse_text(text)) for text in texts]
    assert [text.split() for text in written] == [text.split() for text in texts]
    assert sum(a == b for a, b in zip(written, texts, strict=True)) >= 0.9 * len(texts)


TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("\n []:\t"), max_size=60)
HEADS = st.sampled_from(["[user] x", " [tool: bash] y", "User: z", "[assistant]", "## Human", "**User**: q", ""])
SAID = st.lists(TEXT | HEADS, min_size=1, max_size=4).map("\n".join).map(tidy).filter(str.strip)
NAMES = st.none() | st.text(max_size=70).map(tidy_name)
TURNS = st.lists(st.builds(Turn, st.sampled_from(["user", "assistant", "tool", "system"]), SAID, NAMES), min_size=1)


@given(turns=TURNS.filter(lambda turns: any(turn.role in ("user", "assistant") for turn in turns)))
def test_what_is_rendered_is_read_back_as_the_same_turns(turns):
    assert parse_text(render(turns)) == tuple(turns)


@pytest.mark.parametrize(
    "text",
    [
        "User: hello\nworld\nAssistant: hi",
        "**User**: hello\nworld\n\n**Assistant**: hi\n",
        "**User:** hello\nworld\n\n**Assistant:** hi\n",
        "## Human\n\nhello\nworld\n\n## Assistant\n\nhi\n",
        "### **User**\nhello\nworld\n### **AI**\nhi",
        "_**User (2026-01-25 09:57Z)**_\n\nhello\nworld\n\n_**Agent (model opus)**_\n\nhi",
        "USER: hello\r\nworld\r\nAGENT: hi\r\n",
        "[USER] hello\nworld\n[agent] hi",
    ],
)
def test_every_kind_of_turn_head_is_recognised(text):
    assert parse_text(text) == (Turn("user", "hello\nworld"), Turn("assistant", "hi"))


def test_text_before_the_first_head_is_a_note_without_a_head():
    turns = parse_text("Call of 3 March\nUser: hello\n[tool result] 12")
    assert turns == (Turn("note", "Call of 3 March"), Turn("user", "hello"), Turn("tool", "12"))
    assert render(turns) == "Call of 3 March\n[user] hello\n[tool] 12"


@pytest.mark.parametrize(
    "text", ["PM: Good morning.\nID: Good morning.", "# Minutes\nSystem: Linux\nwe met", "Users: 3"]
)
def test_a_text_without_turn_heads_is_one_transcript_without_a_user(text):
    transcript = Transcript("t", parse_text(text), "minutes.txt")
    assert transcript.text == text
    assert transcript.user_messages == 0


def test_words_that_a_tool_put_into_a_user_turn_are_no_user_message():
    text = """[user] <local-command-caveat>Caveat: The messages below were generated</local-command-caveat>
[user] <command-name>/model</command-name><command-args>opus</command-args>
[user] <local-command-stdout>Set model to opus</local-command-stdout>
[user] <system-reminder>The todo list is empty.</system-reminder>
[user] [Request interrupted by user for tool use]
[user] <system-reminder>The todo list is empty.</system-reminder>
please go on"""
    transcript = Transcript("t", parse_text(text), "x")
    assert len(transcript.turns) == 6
    assert transcript.user_messages == 1


def test_four_user_messages_are_too_few_for_five_and_five_are_enough():
    four, five = said("a", "b", "c", "d", name="four"), said("a", "b", "c", "d", "e", name="five")
    assert select([four, five], min_user_messages=5) == (five,)
    assert select([four, five], min_user_messages=4) == (four, five)


def test_which_are_chosen_depends_on_texts_and_seed_and_not_on_order_or_names():
    many = [said(f"message {i}", name=f"n{i}") for i in range(40)]
    renamed = [Transcript(f"other{i}", t.turns, "y") for i, t in enumerate(reversed(many))]
    chosen = {t.text for t in select(many, 7)}
    assert len(chosen) == 7
    assert {t.text for t in select(renamed, 7)} == chosen
    assert {t.text for t in select(many, 7, seed=1)} != chosen
    assert chosen < {t.text for t in select(many, 8)}
    assert select(many, 99) == tuple(many)


@pytest.mark.parametrize("given", [{"count": 0}, {"min_user_messages": -1}])
def test_a_choice_that_makes_no_sense_is_refused(given):
    with pytest.raises(UsageError, match="allowed is"):
        select([said("a")], **given)


def test_ids_come_from_the_text_copies_are_left_out_and_clashes_get_part_of_the_hash():
    found, copies = with_ids([said("a", name=""), said("a", name=""), said("b", name="s"), said("c", name="s")])
    assert copies == 1
    assert [t.id for t in found[1:]] == [f"s-{t.content_hash[:8]}" for t in found[1:]]
    assert found[0].id == with_ids([said("a", name="")])[0][0].id
    assert len({t.id for t in found}) == 3


def test_ids_and_names_are_text_and_never_paths(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "../../etc/x", "transcript": "[user: a]b/../c] hi"}), "utf-8")
    found = read(tmp_path, "a.jsonl").transcripts[0]
    assert (found.id, found.source) == ("../../etc/x", "a.jsonl:1")
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_folder_a_file_and_a_pattern_are_read_in_the_order_of_names(tmp_path):
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    (tmp_path / "notes" / ".hidden").mkdir()
    (tmp_path / "notes" / "b.md").write_text("## User\nsecond", "utf-8")
    (tmp_path / "notes" / "a.txt").write_text("User: first", "utf-8")
    (tmp_path / "notes" / "deep" / "c.jsonl").write_text(json.dumps({"id": 3, "input": {"log": "third"}}), "utf-8")
    (tmp_path / "notes" / ".hidden" / "d.txt").write_text("User: hidden", "utf-8")
    (tmp_path / "notes" / "e.md").write_text(" \n", "utf-8")
    found = read(tmp_path, "notes")
    assert [(t.source, t.text) for t in found.transcripts] == [
        ("a.txt", "[user] first"),
        ("b.md", "[user] second"),
        ("deep/c.jsonl:1", "third"),
    ]
    assert (found.formats, found.files, found.empty) == ({"rows": 1, "text": 2}, 4, ("e.md",))
    assert [t.source for t in read(tmp_path, "notes/*.md").transcripts] == ["b.md"]
    assert [t.source for t in read(tmp_path, "notes/**/*.jsonl").transcripts] == ["c.jsonl:1"]


BAD = '{"id": "a", "transcript": "[user] hi"}\n{"id": \n[1]\n{"id": "b", "note": 1}\n{"id": "c", "transcript": "x"}'


def test_every_bad_line_is_named_with_file_and_line(tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(BAD.encode() + b"\n\xff\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path, "bad.jsonl")
    lines = caught.value.message.split("\n")
    assert lines[0].startswith("bad.jsonl:2: not JSON: Expecting value")
    assert lines[1] == "bad.jsonl:3: a row is an object, received list"
    assert lines[2].startswith("bad.jsonl:4: no field is a transcript; looked for transcript, messages")
    assert lines[3] == "bad.jsonl:6: not UTF-8 (byte 0xff)"
    assert "--lenient" in str(caught.value)


def test_lenient_reading_leaves_bad_lines_out_and_names_them(tmp_path):
    (tmp_path / "bad.jsonl").write_text(BAD, "utf-8")
    found = read(tmp_path, "bad.jsonl", lenient=True)
    assert [t.id for t in found.transcripts] == ["a", "c"]
    assert [place.split(": ")[0] for place in found.skipped] == ["bad.jsonl:2", "bad.jsonl:3", "bad.jsonl:4"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"a": 1}\n', "a.jsonl: no transcript format that is known"),
        ("a.json", b'{"messages": [', "a.json: no transcript format that is known"),
        ("a.txt", b"User: \xe4h", "a.txt:1: not UTF-8 (byte 0xe4)"),
        ("a.txt", b"\n", "no transcript in 1 files"),
        ("a.bin", b"\x00\x01\x02", "a.bin: no transcript format that is known"),
        ("a.jsonl", b'{"transcript": ' + b"[" * 100_000, "no transcript format"),
    ],
)
def test_a_file_that_is_no_transcript_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path, name)
    assert says in str(caught.value)


def test_a_missing_source_an_empty_folder_and_an_unknown_format_are_usage_errors(tmp_path):
    for name, form, says in [
        ("gone.jsonl", "auto", "no such file or folder"),
        (".", "auto", "the folder has no .jsonl"),
        (".", "chatgpt", ", ".join((AUTO, *FORMATS.names))),
    ]:
        with pytest.raises(UsageError) as caught:
            read(tmp_path, name, form=form)
        assert says in str(caught.value)


@pytest.mark.parametrize(("name", "rows"), [("ami_meetings_traindev", 90), ("claude_sessions", 129)])
def test_public_transcripts_are_imported_row_by_row(name, rows):
    path = SHARED / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = read_transcripts(str(path), root=HOME)
    assert found.formats == {"rows": rows}
    assert [t.id for t in found.transcripts] == [line["id"] for line in lines]
    for transcript, line in zip(found.transcripts, lines, strict=True):
        if name == "ami_meetings_traindev":
            assert transcript.text == line["input"]["transcript"].strip()
            assert transcript.user_messages == 0
        else:
            assert transcript.user_messages <= line["n_user"]
            assert {turn.role for turn in transcript.turns} <= {"user", "assistant"}
