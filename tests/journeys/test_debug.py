"""``--debug``: a traceback where there was a message, and what the libraries below say of themselves."""

import pytest

from tests.journeys.commands import gold, run, started


def told(*words, workspace):
    """Exit code and stderr of a command that may end with a traceback."""
    code, _, err = started(*words, workspace=workspace).ended()
    return code, err


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    root = tmp_path_factory.mktemp("debug")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl", 60), workspace=root)
    return root


def test_a_mistake_is_a_message_and_with_debug_a_traceback(shop):
    code, err = told("show", "nothing", workspace=shop)
    assert code == 64
    assert err.startswith("error: unknown task 'nothing'")
    assert "Traceback" not in err
    _, err = told("show", "nothing", "--debug", workspace=shop)
    assert "Traceback (most recent call last)" in err
    assert "tasks/files.py" in err
    assert "unknown task 'nothing'" in err


def test_the_optimisers_own_logs_are_shown_only_with_debug(shop):
    words = ("optimize", "triage", "--budget", "60", "--new")
    code, err = told(*words, workspace=shop)
    assert code == 0, err
    assert "INFO dspy" not in err
    code, err = told(*words, "--debug", workspace=shop)
    assert code == 0, err
    assert "INFO dspy.teleprompt" in err
