"""A model that fails inside an optimiser ends the run: nothing is scored, registered or promoted."""

import pytest

from core.errors import ModelError
from core.workspace import Workspace
from offline import OfflineEngine
from tests.optimizers.test_placebo import placebo
from tests.provider import Provider, serving
from tests.runs import optimized, task_of

SEARCH = ("optimizer.budget=200", "optimizer.minibatch=10", "optimizer.max_demos=2", "run.threads=2")


def near(root, optimizer="bootstrap"):
    placebo(root, 0)
    return task_of(Workspace(root), "placebo", *SEARCH, name=optimizer)


def with_student(root, url, optimizer="bootstrap"):
    text = (
        "models:\n  offline/small: {model: offline/small}\n  offline/large: {model: offline/large}\n"
        f'  far: {{model: openai/far, api_base: "{url}", timeout: 5}}\n'
    )
    (root / "configs" / "models.yaml").write_text(text, "utf-8")
    return task_of(Workspace(root), "placebo", *SEARCH, "models.student=far", name=optimizer)


def test_a_real_provider_over_http_gives_the_same_outcome_as_the_model_in_process(tmp_path):
    here = optimized(Workspace(tmp_path), near(tmp_path))
    with serving(Provider(OfflineEngine("small"))) as provider:
        far = optimized(Workspace(tmp_path), with_student(tmp_path, provider.url))
        assert far.winner.hash == here.winner.hash
        assert [c.dev_score for c in far.candidates] == [c.dev_score for c in here.candidates]
        assert far.usage["student"].calls == len(provider.seen)
        assert provider.repeated == 0


def test_a_wrong_key_ends_on_the_first_call(tmp_path):
    placebo(tmp_path, 0)
    with serving(Provider(OfflineEngine("small"), key="right")) as provider:
        with pytest.raises(ModelError, match="far at http"):
            optimized(Workspace(tmp_path), with_student(tmp_path, provider.url))
        assert len(provider.seen) == 1
