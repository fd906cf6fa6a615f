"""Logs of an agent from the command line: in, looked at, out again."""

import json

from tests.journeys.commands import run


def test_logs_come_in_are_chosen_and_go_out_again(tmp_path):
    rows = [{"id": f"s{n}", "task": "t", "model": "a" if n < 4 else "b", "ok": n % 2 == 0} for n in range(6)]
    log, mapping, out = tmp_path / "log.jsonl", tmp_path / "m.yaml", tmp_path / "out.jsonl"
    log.write_text("\n".join(map(json.dumps, rows)) + '\n{"id": "half', "utf-8")
    mapping.write_text("fields: {id: id, task: task, model: model, success: ok}\n", "utf-8")

    _, said, _ = run("sessions", "import", log, "--mapping", mapping, workspace=tmp_path)
    assert "success        50.0% of 6" in said
    assert "log.jsonl:7: not JSON" in said

    def chosen(*flags):
        _, listing, _ = run("sessions", "list", *flags, "--json", workspace=tmp_path)
        return [session["id"] for session in json.loads(listing)["sessions"]]

    assert chosen("--last", "3", "--where", "model=a") == ["s3"]
    assert chosen("--where", "model=a", "--last", "3") == ["s1", "s2", "s3"]

    run("sessions", "export", "--out", out, "--include-status", "success", "--limit", "2", workspace=tmp_path)
    assert [json.loads(line)["id"] for line in out.read_text("utf-8").splitlines()] == ["s2", "s4"]
    code, said, _ = run(
        "sessions", "export", "--out", tmp_path / "none.csv", "--task", "code=x", workspace=tmp_path, check=False
    )
    assert (code, (tmp_path / "none.csv").exists()) == (1, False)
    assert "hint: loosen the filters" in said
    assert "s4" in run("sessions", "show", "s4", workspace=tmp_path)[1]
    code, _, err = run("sessions", "list", "--where", "modle=a", workspace=tmp_path, check=False)
    assert (code, "did you mean 'model'" in err) == (64, True)
