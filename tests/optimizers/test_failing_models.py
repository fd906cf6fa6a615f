"""A model that fails inside an optimiser ends the run: nothing is scored, registered or promoted."""

import pytest

from core.errors import ModelError
from core.workspace import Workspace
from offline import OfflineEngine
from optimizers import OPTIMIZERS
from optimizers.optimize import Options, optimize
from tasks.task import assemble, read_config
from tests.optimizers.test_placebo import environment, placebo
from tests.provider import Provider, serving

OPTIONS = Options(budget=200, seed=0, threads=2, minibatch=10, max_demos=2, threshold=0.7)


def with_student(root, url):
    text = (
        "models:\n  offline/small: {model: offline/small}\n  offline/large: {model: offline/large}\n"
        f'  far: {{model: openai/far, api_base: "{url}", timeout: 5}}\n'
    )
    (root / "configs" / "models.yaml").write_text(text, "utf-8")
    workspace = Workspace(root)
    return assemble(read_config(workspace, "placebo", ["models.student=far"]), workspace)


def run(task, root, optimizer="bootstrap"):
    with environment(root) as place:
        return optimize(task, OPTIMIZERS.get(optimizer), OPTIONS, place)


def test_a_real_provider_over_http_gives_the_same_outcome_as_the_model_in_process(tmp_path):
    task = placebo(tmp_path, 0)
    near = run(task, tmp_path)
    with serving(Provider(OfflineEngine("small"))) as provider:
        far = run(with_student(tmp_path, provider.url), tmp_path)
        assert far.winner.hash == near.winner.hash
        assert [c.dev_score for c in far.candidates] == [c.dev_score for c in near.candidates]
        assert far.usage["student"].calls == len(provider.seen)
        assert provider.repeated == 0


def test_a_wrong_key_ends_on_the_first_call(tmp_path):
    placebo(tmp_path, 0)
    with serving(Provider(OfflineEngine("small"), key="right")) as provider:
        with pytest.raises(ModelError, match="far at http"):
            run(with_student(tmp_path, provider.url), tmp_path)
        assert len(provider.seen) == 1
