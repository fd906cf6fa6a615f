"""A server for models without an alias, named by the environment alone."""

import json

import pytest

from calls.models import EMBEDDED, ModelSpec, find_model
from commands.distill import check_names
from core.errors import UsageError
from core.workspace import Workspace
from tasks.distill_task import DistillSpec
from tests.journeys.commands import run
from tests.notes import notes
from tests.provider import Provider, serving

OWN = {"small": ModelSpec("small", "openai/a", input_price=1.0, output_price=2.0)}


def test_names_without_an_alias_are_the_server_s_where_there_is_one():
    here = {"LLM_BASE_URL": "http://127.0.0.1:1/v1", "LLM_API_KEY": "k"}
    found = find_model("meta/llama-4", OWN, here)
    assert (found.model, found.api_base) == ("openai/meta/llama-4", here["LLM_BASE_URL"])
    assert found.api_key_env == "LLM_API_KEY"
    assert find_model("llama", OWN, {"LLM_BASE_URL": "http://127.0.0.1:1/v1"}).api_key_env is None
    assert find_model("small", OWN, here) is OWN["small"]
    name = next(iter(EMBEDDED))
    assert find_model(name, OWN, here) is EMBEDDED[name]
    assert find_model("openai/gpt", OWN, {"LLM_API_KEY": "k"}).api_key_env == "OPENAI_API_KEY"
    with pytest.raises(UsageError, match="unknown model 'llama'") as raised:
        find_model("llama", OWN, {})
    assert "LLM_BASE_URL" in str(raised.value.hint)


def test_a_run_asks_the_server_with_its_key_which_is_written_nowhere(tmp_path):
    key = "a-key-of-this-very-server"
    with serving(Provider(key=key)) as provider:
        notes(tmp_path, "http://127.0.0.1:9/v1")
        words = ("eval", "notes", "--set", "models.student=far-small", "--json")
        env = {"LLM_BASE_URL": provider.url, "LLM_API_KEY": key}
        body = json.loads(run(*words, workspace=tmp_path, env=env)[1])
        assert {sent["model"] for sent in provider.seen} == {"far-small"}
    assert body["status"] == {"ok": body["n"]}
    assert not [
        path for path in (tmp_path / "mlruns").rglob("*") if path.is_file() and key.encode() in path.read_bytes()
    ]


def test_a_file_beside_the_task_may_name_the_server(tmp_path, monkeypatch):
    notes(tmp_path, "http://127.0.0.1:9/v1")
    monkeypatch.setenv("LLM_BASE_URL", "anything")
    monkeypatch.delenv("LLM_BASE_URL")  # as it was after the test, whatever the file sets
    spec = DistillSpec(model="llama", gate=None)
    with pytest.raises(UsageError, match="unknown model 'llama'"):
        check_names(Workspace(tmp_path), spec)
    (tmp_path / ".env").write_text("LLM_BASE_URL=http://127.0.0.1:9/v1\n")
    check_names(Workspace(tmp_path), spec)
