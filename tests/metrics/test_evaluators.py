"""Several evaluators per task: keys, scores, comments, abstentions; the checks of a tweet as an example."""

import json

import pytest

from core.errors import ConfigError
from core.workspace import Workspace
from data.corpus import Row
from metrics.evaluators import Evaluators
from metrics.metric import NoScoreError
from tasks.task import assemble, read_config
from tests.journeys.commands import run
from tests.notes import notes

ROW = Row("r", {"topic": "tea"}, {})
TWEET = """
def short(example, pred):
    return {"key": "under_180_chars", "score": int(len(pred.tweet) < 180), "comment": f"{len(pred.tweet)} characters"}


def no_hashtags(example, pred):
    return {"key": "no_hashtags", "score": int("#" not in pred.tweet), "comment": "hashtags are not wanted"}


def several_lines(example, pred):
    return {"key": "multiple_lines", "score": int("\\n" in pred.tweet), "comment": "break it into lines"}


evaluators = [short, no_hashtags, several_lines]
"""
KINDS = '''
def right(example, pred):
    return {"key": "right", "score": float(pred.kind == example.kind), "comment": f"should be {example.kind}"}


def wet(example, pred):
    """Only what is about water is looked at."""
    score = float(pred.kind == "water") if example.kind == "water" else None
    return {"key": "wet", "score": score, "comment": ""}


evaluators = [right, wet]
twins = [right, right]
none = []
'''


def tweet_checks():
    found = {}
    exec(compile(TWEET, "tweet.py", "exec"), found)  # the text of a file of one's own, as the task below has one
    return Evaluators(tuple(found["evaluators"]))


def test_S3_T8_a_tweet_is_shorter_than_180_characters_without_hashtags_and_on_several_lines():
    def scores(tweet):
        return dict(tweet_checks().judge(ROW, {"tweet": tweet}).fields)

    assert scores("a\n" + 177 * "b") == {"under_180_chars": 1, "no_hashtags": 1, "multiple_lines": 1}  # 179
    assert scores("a\n" + 178 * "b") == {"under_180_chars": 0, "no_hashtags": 1, "multiple_lines": 1}  # 180
    assert scores("tea\n#tea")["no_hashtags"] == 0
    assert scores("tea")["multiple_lines"] == 0
    found = tweet_checks().judge(ROW, {"tweet": "tea #tea"})
    assert found.score == pytest.approx(1 / 3)
    assert "- no_hashtags: hashtags are not wanted" in found.feedback


def test_who_abstains_has_no_say_and_what_is_no_result_is_refused():
    def says(**result):
        return lambda example, pred: result

    both = Evaluators((says(key="a", score=1), says(key="b", score=None, comment="no reference")))
    assert both.judge(ROW, {}).fields == {"a": 1.0}
    assert both.judge(ROW, {}).score == 1.0
    for wrong, said in [
        (says(key="a", score=2), "returned the score 2"),
        (says(score=1), r"allowed: \{key, score"),
        (says(key="a", score=None), "every evaluator abstained: a"),
    ]:
        with pytest.raises(NoScoreError, match=said):
            Evaluators((wrong,)).judge(ROW, {})
    with pytest.raises(NoScoreError, match="two evaluators have the key 'a'"):
        Evaluators((says(key="a", score=1), says(key="a", score=0))).judge(ROW, {})


def named(root, path):
    return assemble(read_config(Workspace(root), "notes", [f"metric.name={path}"]), Workspace(root))


def test_S3_T6_evaluators_are_found_from_the_task_s_workspace_and_their_mean_is_over_keys(tmp_path):
    notes(tmp_path, "http://127.0.0.1:9/v1")
    (tmp_path / "kinds.py").write_text(KINDS)
    assert named(tmp_path, "kinds:evaluators").metric.name == "kinds:evaluators"
    with pytest.raises(ConfigError, match="a list of evaluators"):
        named(tmp_path, "kinds:none")
    with pytest.raises(ConfigError, match="two evaluators have the key 'right'"):
        named(tmp_path, "kinds:twins")
    words = ("--set", "metric.name=kinds:evaluators", "--set", "models.student=offline/small")
    body = json.loads(run("eval", "notes", "--split", "train", *words, "--json", workspace=tmp_path)[1])
    right, wet = body["keys"]["right"], body["keys"]["wet"]
    assert (right["n"], wet["n"] < right["n"]) == (body["n"], True)
    assert body["key_score"] == pytest.approx((right["mean"] + wet["mean"]) / 2)
    assert all(key["low"] <= key["mean"] <= key["high"] for key in (right, wet))
