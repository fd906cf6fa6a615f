"""What makes two runs the same: whatever an answer depends on, and nothing of what it costs or how fast it comes."""

import pytest

from tasks.purpose import Purpose, identity
from tasks.task import assemble, read_config
from tests.gym import gym

OPTIMIZE = Purpose("optimize")


@pytest.fixture
def workspace(tmp_path):
    return gym(tmp_path, models=("small",), judge="referee", url="http://127.0.0.1:9/v1")


def parts(workspace, *sets, purpose=OPTIMIZE, **judge):
    """The parts of the identity of a run whose judge has these settings."""
    path = workspace.configs / "models.yaml"
    written = path.read_text("utf-8")
    more = "".join(f", {key}: {value}" for key, value in judge.items())
    path.write_text(written.replace("input_price: 2", f"input_price: 2{more}"), "utf-8")
    try:
        return identity(assemble(read_config(workspace, "retell", list(sets)), workspace), purpose)
    finally:
        path.write_text(written, "utf-8")


def changed(before, after):
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    "judge", [{"max_tokens": 50}, {"temperature": 0.5}, {"params": "{top_p: 0.5}"}, {"engine": "litellm"}]
)
def test_another_setting_of_the_judge_makes_another_run(workspace, judge):
    assert changed(parts(workspace), parts(workspace, **judge)) == {
        "judge 1",
        "model proposer",
        "model reflector",
    }


@pytest.mark.parametrize("judge", [{"cached_price": 1}, {"latency": 9}, {"max_concurrency": 2}, {"timeout": 5}])
def test_price_and_pace_do_not(workspace, judge):
    assert parts(workspace, **judge) == parts(workspace)


def test_neither_does_what_it_may_spend_but_what_it_asks_does(workspace):
    before = parts(workspace)
    assert parts(workspace, "run.max_cost=3", "run.threads=2") == before
    assert changed(before, parts(workspace, "run.cache=false")) == {"fresh"}
    assert changed(before, parts(workspace, "optimizer.seed=7")) == {"config"}
    assert changed(before, parts(workspace, purpose=Purpose("eval", identity={"prompt": "x"}))) == {"kind", "prompt"}
