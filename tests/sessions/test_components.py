"""Prompt components: the source's hashes, a dictionary that processes share, effects not believed blindly."""

import json
import multiprocessing
from dataclasses import replace

import pytest

from core.errors import DataError
from core.plain import md5
from sessions import components
from sessions.components import ComponentTexts, impact
from tests.sessions.recorded import planted, seeded

LIMITS, COUPONS = "Check limits first", "Check coupon limits first"


def test_the_hashes_of_the_source():
    assert md5(LIMITS) == "6126cee77f8d12cc7f2138603fb0d49f"
    assert md5(COUPONS) == "66b0e276edb76d7e2b3a53d6ece3dbc1"
    assert md5(LIMITS + " ") != md5(LIMITS)


def test_texts_are_found_by_their_hash(tmp_path):
    texts = ComponentTexts(tmp_path / "mlruns" / "hashes.dict")

    assert texts.texts() == {}
    assert texts.add([LIMITS, COUPONS]) == (md5(LIMITS), md5(COUPONS))
    assert texts.texts() == {md5(LIMITS): LIMITS, md5(COUPONS): COUPONS}
    assert json.loads(texts.path.read_text("utf-8")) == texts.texts()


def test_two_texts_with_one_hash_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(components, "md5", lambda text: "0" * 32)
    texts = ComponentTexts(tmp_path / "hashes.dict")
    texts.add([LIMITS])

    with pytest.raises(DataError, match="two texts have the md5"):
        texts.add([COUPONS])
    assert texts.texts() == {"0" * 32: LIMITS}


@pytest.mark.parametrize("body", ["{", "[]", '{"short": "text"}', '{"' + "0" * 32 + '": 3}'])
def test_a_file_that_is_no_dictionary_is_refused_by_name(tmp_path, body):
    (tmp_path / "hashes.dict").write_text(body, "utf-8")
    with pytest.raises(DataError, match=r"hashes\.dict"):
        ComponentTexts(tmp_path / "hashes.dict").texts()


def _add(path, start):
    for number in range(start, start + 20):
        ComponentTexts(path).add([f"rule {number}"])


def test_two_processes_lose_nothing(tmp_path):
    path, fork = tmp_path / "hashes.dict", multiprocessing.get_context("fork")
    writers = [fork.Process(target=_add, args=(path, start)) for start in (0, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert sorted(ComponentTexts(path).texts().values()) == sorted(f"rule {number}" for number in range(40))


def arms(rate_with, rate_without, tasks=60, seed=4):
    random = seeded(seed)
    given = [replace(s, id=f"w{s.id}", guidelines=(LIMITS,)) for s in planted(random, tasks, 2, rate_with, model="m")]
    return given + planted(random, tasks, 2, rate_without, model="m")


def test_a_guideline_that_helps_is_seen_with_its_interval():
    (found,) = impact(arms(0.9, 0.5), {})

    assert (found.text, found.contrast.sessions, found.warnings) == (LIMITS, (120, 120), ())
    assert found.contrast.low < 0.4 < found.contrast.high
    assert found.contrast.p_adjusted < 0.001


def test_a_guideline_that_does_nothing_is_seldom_thought_to_do_something():
    found = [impact(arms(0.6, 0.6, tasks=24, seed=seed), {})[0].contrast for seed in range(60)]

    assert sum(one.p_adjusted <= 0.05 for one in found) <= 6  # 3 expected
    assert sum(one.low <= 0 <= one.high for one in found) >= 53


def test_what_else_differs_is_said():
    by_model = [replace(s, model="large" if s.guidelines else "small") for s in arms(0.9, 0.5)]
    (found,) = impact(by_model, {})
    assert found.warnings == ("models differ: 'large' is 100% of the sessions with it and 0% of those without",)

    by_task = [replace(s, task_code="easy" if s.guidelines else "hard") for s in arms(0.9, 0.5)]
    assert impact(by_task, {})[0].warnings[0].startswith("tasks differ: ")

    together = [replace(s, components=(md5("Be brief"),) if s.guidelines else ()) for s in arms(0.9, 0.5)]
    first, second = impact(together, {md5("Be brief"): "Be brief"})
    assert {first.warnings, second.warnings} == {
        ("cannot be told from 'Be brief': together in 120 of 120 sessions",),
        (f"cannot be told from {LIMITS!r}: together in 120 of 120 sessions",),
    }


def test_what_every_session_has_cannot_be_judged():
    assert impact([replace(s, guidelines=(LIMITS,)) for s in arms(0.5, 0.5)], {}) == ()
