"""A person's queue: what is said about an output is kept at once, with who said it, and is not asked again."""

import re
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

from commands.annotate import Person, annotated, compared, turned_round, undecided
from commands.annotate_page import serving
from core.errors import DataError
from core.evaluation import Evaluation, RowResult, RowStatus
from data.annotations import annotations_of, preferences_of, read_annotations


def result(name, kind="water"):
    return RowResult(name, RowStatus.OK, 0.5, inputs={"note": f"note {name}"}, gold={"kind": "land"},
                     prediction={"kind": kind})  # fmt: skip


def asking(*lines):
    """A person who types these lines and then leaves."""
    answers = iter(lines)

    def ask(question):
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    return ask


def test_scores_and_comments_are_kept_as_they_come(tmp_path):
    path, said = tmp_path / "corpora" / "said.jsonl", []
    queue = [result(name) for name in "abcde"]
    ask = asking("0", "it is land", "", "much", "2", "1", "", "q")
    assert annotated(queue, path, "h1", Person("ann", ask, lambda text, **how: said.append(text))) == 2
    kept = read_annotations(path)
    assert [(a.id, a.score, a.comment, a.annotator, a.prompt_hash) for a in kept] == [
        ("a", 0.0, "it is land", "ann", "h1"), ("c", 1.0, "", "ann", "h1"),
    ]  # fmt: skip
    assert kept[0].at.endswith("+00:00")
    assert (kept[0].input, kept[0].output, kept[0].reference) == (
        {"note": "note a"}, {"kind": "water"}, {"kind": "land"},
    )  # fmt: skip
    assert sum("allowed: a number from 0 to 1" in text for text in said) == 2
    assert "\n--- 4 of 5: d" in said
    assert "\n--- 5 of 5: e" not in said


def test_a_line_that_is_no_annotation_is_named(tmp_path):
    path = tmp_path / "said.jsonl"
    annotated([result("a")], path, "h", Person("ann", asking("1", ""), lambda text, **how: None))
    text = path.read_text("utf-8")
    path.write_text(text + text.replace('"score": 1.0', '"score": 7'), "utf-8")
    with pytest.raises(DataError, match=r"said.jsonl:2: score 7; allowed is 0 to 1"):
        read_annotations(path)
    path.write_text('{"id": "a"}\n', "utf-8")
    with pytest.raises(DataError, match=r"said.jsonl:1: an annotation needs input, reference"):
        read_annotations(path)
    assert read_annotations(tmp_path / "none.jsonl") == ()


def test_of_two_answers_a_person_prefers_one_without_knowing_which_prompt_gave_it(tmp_path):
    path, said, prompts = tmp_path / "said.jsonl", [], ("h1", "h2")
    names = [f"r{number}" for number in range(9)]
    mine = Evaluation("train", "h1", tuple(result(name) for name in names))
    other = Evaluation("train", "h2", tuple(result(name, "land" if name != "r8" else "water") for name in names))
    queue = undecided(mine, other, (), "ann")
    assert [one.row_id for one, _ in queue] == names[:8]  # the same answer twice needs nobody
    lines = ["x", "1", "because", "2", "", "=", "", "", *("1", "") * 4]
    count = compared(queue, path, prompts, Person("ann", asking(*lines), lambda text, **how: said.append(text)))
    kept = preferences_of(path.read_text("utf-8"), "said")
    assert count == len(kept) == 7
    turned = [turned_round(name, prompts) for name in names[:2]]
    assert [p.preferred for p in kept[:3]] == [
        "second" if turned[0] else "first", "first" if turned[1] else "second", "tie",
    ]  # fmt: skip
    assert {turned_round(name, prompts) for name in names} == {True, False}
    assert (kept[0].comment, kept[0].first, kept[0].second) == ("because", {"kind": "water"}, {"kind": "land"})
    assert sum("allowed: 1, 2, =" in text for text in said) == 1
    assert not any("h1" in text or "h2" in text for text in said)
    assert [one.row_id for one, _ in undecided(mine, other, kept, "ann")] == ["r3"]  # it was passed over
    assert len(undecided(mine, other, kept, "bob")) == 8
    annotated([result("a")], path, "h1", Person("ann", asking("1", ""), lambda text, **how: None))
    text = path.read_text("utf-8")
    assert (len(annotations_of(text, "said")), len(preferences_of(text, "said"))) == (1, 7)
    path.write_text(text.replace('"tie"', '"both"'), "utf-8")
    with pytest.raises(DataError, match=r"said.jsonl:3: preferred 'both'; allowed: first, second, tie"):
        read_annotations(path)


def sent(address, answer=None, number="", host=None):
    """What a browser gets; with an answer, after it was sent."""
    body = None if answer is None else urllib.parse.urlencode({"answer": answer, "number": number}).encode()
    request = urllib.request.Request(address, body, {"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read().decode("utf-8")


def test_a_page_of_this_machine_alone_asks_the_same_and_shows_answers_as_text(tmp_path):
    path, counts = tmp_path / "said.jsonl", []
    queue = [result("a", "<script>alert(1)</script>"), result("b")]

    def work(page):
        counts.append(annotated(queue, path, "h1", Person("ann", page.ask, page.say)))
        page.end()

    with serving() as page:
        worker = threading.Thread(target=work, args=(page,))
        worker.start()
        first = sent(page.address)
        number = re.search(r'name="number" value="(\d+)"', first)[1]
        second = sent(page.address, "0.25", number)
        assert "comment" in second
        assert "comment" in sent(page.address, "0.75", number)  # the same form sent again is no answer to the next
        third = sent(page.address, "not that", "2")
        assert "--- 2 of 2: b" in third
        for address, host in ((page.address[:-1], None), (page.address, "evil.example"), (page.address + "?x", None)):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                sent(address, host=host)
        assert "Done." in sent(page.address, "q", "3")
        worker.join(60)
    assert page.address.startswith("http://127.0.0.1:")
    assert "&lt;script&gt;" in first
    assert "<script>" not in first
    assert counts == [1]
    assert [(a.score, a.comment) for a in read_annotations(path)] == [(0.25, "not that")]
