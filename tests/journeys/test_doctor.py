"""``doctor --task``: every role of a task asked as a search will ask it, and read by the adapter that will read it."""

import json

import pytest

from optimizers import OPTIMIZERS
from tests.gym import gym
from tests.journeys.commands import run
from tests.notes import notes
from tests.provider import Provider, serving


class Sorry(Provider):
    """One of its models apologises whatever it is asked."""

    model = ""

    def text(self, body):
        return ("I am sorry.", 50, 3) if body["model"].endswith(self.model or "nobody") else super().text(body)


def doctor(root, task):
    """Exit code and the roles with what became of them."""
    code, out, _ = run("doctor", "--task", task, "--json", workspace=root, check=False)
    return code, {role["role"]: role for role in json.loads(out)["roles"]}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)
def test_a_model_that_only_says_that_it_is_sorry_fails_in_its_role(tmp_path, optimizer):
    with serving(Sorry()) as provider:
        notes(tmp_path, provider.url)
        task = tmp_path / "configs" / "notes.yaml"
        task.write_text(task.read_text("utf-8").replace("optimizer: {", f"optimizer: {{name: {optimizer.name}, "))
        code, roles = doctor(tmp_path, "notes")
        writers = set(roles) - {"student"}
        assert (code, {role["ok"] for role in roles.values()}) == (0, {True})
        assert len(provider.seen) >= 1 + len(writers)
        assert (len(writers) == 0) == (optimizer.name == "bootstrap")
        provider.model = "large"
        code, roles = doctor(tmp_path, "notes")
        assert code == (69 if writers else 0)
        assert [role for role in roles if not roles[role]["ok"]] == sorted(writers)
        provider.model = "small"
        code, roles = doctor(tmp_path, "notes")
        assert (code, list(roles), roles["student"]["ok"]) == (69, ["student"], False)
        assert "failed to parse" in roles["student"]["error"]


def test_a_judge_that_is_sorry_fails_and_every_role_is_asked_anew_each_time(tmp_path):
    with serving(Sorry()) as provider:
        workspace = gym(tmp_path, url=provider.url)
        code, roles = doctor(workspace.root, "retell")
        assert (code, sorted(roles)) == (0, ["judge", "reflector", "student"])
        asked = len(provider.seen)
        doctor(workspace.root, "retell")
        assert len(provider.seen) == 2 * asked
        provider.model = "large"
        code, roles = doctor(workspace.root, "retell")
        assert (code, {name: role["ok"] for name, role in roles.items()}) == (
            69, {"student": True, "judge": False, "reflector": False},
        )  # fmt: skip
        _, out, _ = run("doctor", "--task", "retell", workspace=workspace.root, check=False)
        assert "FAIL judge" in out
        assert "what was answered: python cli.py calls retell-doctor-" in out


def test_the_embedded_models_pass_in_every_role(tmp_path):
    assert doctor(gym(tmp_path).root, "retell")[0] == 0
    code, _, err = run("doctor", "small", "--task", "retell", workspace=tmp_path, check=False)
    assert (code, "allowed: one of them" in err) == (64, True)
