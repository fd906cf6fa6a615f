"""What people prefer goes into a judge's card: how often the judge's own scores order two answers as they did."""

import json

import pytest

from core.errors import DataError
from data.annotations import Preferred, keep
from experiments.judging import examine_judge
from reports.judge import judge_blocks
from tests.gym import gym, open_gym

LONG = "The deploy failed because the certificate had expired. Ann renewed it. The deploy went through afterwards."


def preferred(path, who_is_better):
    """Four pairs: a faithful retelling, and one that says nothing."""
    for number in range(4):
        original = f"{LONG} That was on day {number}."
        both = ({"condensation": f"The certificate had expired, Ann renewed it, day {number}."}, {"condensation": "?"})
        keep(path, Preferred(f"r{number}", {"transcript": original}, {"condensation": original}, *both, who_is_better,
                             "", "ann", "2026-01-01T00:00:00Z", ("a", "b")))  # fmt: skip


def test_the_card_says_how_often_the_judge_prefers_what_people_prefer(tmp_path):
    cards = {}
    for better in ("first", "second", "tie"):
        preferred(tmp_path / f"{better}.jsonl", better)
    with open_gym(gym(tmp_path)) as bench:
        for better in ("first", "second", "tie"):
            cards[better] = examine_judge(bench, scores=tmp_path / f"{better}.jsonl", repeats=1)
        broken = json.loads((tmp_path / "first.jsonl").read_text("utf-8").splitlines()[0]) | {"preferred": "none"}
        (tmp_path / "broken.jsonl").write_text(json.dumps(broken), "utf-8")
        with pytest.raises(DataError, match="allowed: first, second, tie"):
            examine_judge(bench, scores=tmp_path / "broken.jsonl")
    assert cards["first"].preference.value == 1.0
    assert cards["first"].preference.n == 4
    assert cards["second"].preference.value == 0.0
    assert cards["tie"].preference is None
    assert cards["first"].spearman is None  # nobody has given a score
    table = judge_blocks(cards["first"], 0.05)[1]
    assert any(row[0] == "agreement with people's preferences" and row[3] == "4" for row in table.rows)
