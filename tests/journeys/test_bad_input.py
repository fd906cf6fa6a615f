"""Bad input of every kind: a clear message with place and remedy, its own exit code, nothing half-written."""

import json
import socket

import pytest

from tests.journeys.commands import gold, run


@pytest.fixture
def shop(tmp_path):
    run("init", tmp_path)
    return tmp_path


def task_file(root, text, name="broken"):
    path = root / "configs" / f"{name}.yaml"
    path.write_text(text, "utf-8")
    return path


def refused(root, *words, code, says):
    got, out, err = run(*words, workspace=root, check=False)
    assert got == code, err
    for piece in says:
        assert piece in err, err
    assert not list((root / "mlruns").glob("reports/*"))
    return out, err


def test_an_unknown_task_names_the_nearest(shop):
    run("init", "triage", "--from-gold", gold(shop / "g.jsonl"), workspace=shop)
    refused(shop, "optimize", "triag", code=64, says=["triag", "triage"])


def test_an_unknown_command_and_flag_are_usage_errors(shop):
    assert run("optimise", "x", check=False)[0] == 64
    assert run("optimize", "x", "--sede", "3", check=False)[0] == 64


def test_broken_yaml_has_file_and_line(shop):
    task_file(shop, "task: broken\ncorpus: [\n")
    code, _, err = run("optimize", "broken", workspace=shop, check=False)
    assert code == 78
    assert "broken.yaml:" in err


def test_every_mistake_is_reported_at_once(shop):
    run("init", "triage", "--from-gold", gold(shop / "g.jsonl"), workspace=shop)
    path = shop / "configs" / "triage.yaml"
    path.write_text(path.read_text("utf-8") + "\nbudgett: 3\ngates: {}\n", "utf-8")
    _, err = refused(shop, "optimize", "triage", code=78, says=["budgett", "gates", "triage.yaml:"])
    assert "gate" in err


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], ["no rows"]),
        (['{"id": "a", "input": "x", "label": "y"', "not json"], [":1"]),
        ([json.dumps({"id": i, "input": "x", "label": "y"}) for i in ("a", "a")], ["a", ":2"]),
        (['{"id": "a", "input": "x", "label": "y", "split": "trian"}'], ["trian", "train"]),
        (['{"id": "a", "input": "x"}'], ["label", ":1"]),
    ],
)
def test_a_corpus_that_cannot_be_used_says_where(shop, lines, says):
    path = shop / "bad.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    refused(shop, "init", "bad", "--from-gold", path, code=65, says=says)
    assert not (shop / "configs" / "bad.yaml").exists()


def test_three_rows_and_one_class_are_refused(shop):
    path = shop / "tiny.jsonl"
    path.write_text("\n".join(json.dumps({"input": f"t{i}", "label": "ab"[i % 2]}) for i in range(3)), "utf-8")
    assert run("init", "tiny", "--from-gold", path, workspace=shop, check=False)[0] in (0, 65)
    code, _, err = run("optimize", "tiny", workspace=shop, check=False)
    assert code in (64, 65), err
    same = shop / "same.jsonl"
    same.write_text("\n".join(json.dumps({"input": f"text {i}", "label": "a"}) for i in range(60)), "utf-8")
    run("init", "same", "--from-gold", same, workspace=shop, check=False)
    code, _, err = run("optimize", "same", workspace=shop, check=False)
    assert code in (64, 65), err


def test_not_utf8_and_huge_rows(shop):
    latin = shop / "latin.jsonl"
    latin.write_bytes('{"input": "Größe", "label": "x"}\n'.encode("latin-1"))
    refused(shop, "init", "latin", "--from-gold", latin, code=65, says=["UTF-8", "latin.jsonl"])
    huge = shop / "huge.jsonl"
    huge.write_text(json.dumps({"input": "x" * 10_000_000, "label": "y"}) + "\n", "utf-8")
    refused(shop, "init", "huge", "--from-gold", huge, code=65, says=["huge.jsonl:1"])


@pytest.fixture
def triage(shop):
    run("init", "triage", "--from-gold", gold(shop / "g.jsonl"), workspace=shop)
    return shop


def test_a_missing_key_names_the_variable(triage):
    words = ("optimize", "triage", "--student", "haiku")
    code, _, err = run(*words, workspace=triage, env={"ANTHROPIC_API_KEY": ""}, check=False)
    assert code == 69
    assert "ANTHROPIC_API_KEY" in err


def test_an_unreachable_model_ends_with_69_and_registers_nothing(triage):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    models = triage / "configs" / "models.yaml"
    models.write_text(
        models.read_text("utf-8")
        + f'\n  dead: {{model: openai/dead, api_base: "http://127.0.0.1:{port}/v1", timeout: 2}}\n',
        "utf-8",
    )
    code, _, err = run("optimize", "triage", "--student", "dead", "--json", workspace=triage, check=False)
    assert code == 69
    assert "dead" in err
    runs = json.loads(run("history", "triage", "--json", workspace=triage)[1])["runs"]
    assert [r["state"] for r in runs] == ["failed"]


def test_unknown_names_list_what_is_known(triage):
    code, _, err = run("optimize", "triage", "--optimizer", "geppa", workspace=triage, check=False)
    assert code in (64, 78)
    assert "gepa" in err
    code, _, err = run("optimize", "triage", "--student", "hiaku", workspace=triage, check=False)
    assert code in (64, 78)
    assert "haiku" in err


def test_init_does_not_overwrite_a_task(triage):
    code, _, err = run("init", "triage", "--from-gold", triage / "g.jsonl", workspace=triage, check=False)
    assert code != 0
    assert "--force" in err
