"""Fifty secrets in the environment, in .env, in rows, prompts, answers and error texts: none is written anywhere."""

import json
import random
import sqlite3
import string

import pytest
import yaml

from tests.journeys.commands import run
from tests.notes import notes
from tests.provider import Provider, serving


def secrets(count):
    generator = random.Random(50)
    letters = string.ascii_letters + string.digits + "-_/+="
    return ["".join(generator.choices(letters, k=generator.randint(12, 48))) for _ in range(count)]


def everything_written(root):
    """Every byte under mlruns, and the text of every database cell."""
    for path in sorted((root / "mlruns").rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
        if path.suffix == ".db":
            db = sqlite3.connect(path)
            yield path.name, "\n".join(db.iterdump()).encode()
            db.close()


def test_fifty_secrets_are_nowhere(tmp_path):
    planted = secrets(50)
    in_env, in_file = planted[:20], planted[20:]
    env = {f"SERVICE_{i}_API_KEY": value for i, value in enumerate(in_env)}

    def fault(provider, number, name, times):
        said = f"bad key {planted[number % 50]}, see {planted[(number * 7) % 50]}"
        if number % 9 == 0:
            return (500, {}, json.dumps({"error": {"message": said}}).encode())
        return None

    with serving(Provider(fault=fault)) as provider:
        root = notes(tmp_path, provider.url, model="api_key_env: SERVICE_0_API_KEY", run="threads: 32, pilot: 4")
        (root / ".env").write_text("\n".join(f"PLAIN_NAME_{i}={v}" for i, v in enumerate(in_file)), "utf-8")
        rows = [json.loads(line) for line in (root / "corpora" / "notes.jsonl").read_text("utf-8").splitlines()]
        for number, row in enumerate(rows):
            row["input"]["note"] += f" {planted[number % 50]}"
        (root / "corpora" / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        config = yaml.safe_load((root / "configs" / "notes.yaml").read_text("utf-8"))
        config["instruction"] = f"Sort the note. Never say {planted[3]} or {planted[30]}."
        config["optimizer"]["budget"] = 100
        config["description"] = f"notes of {planted[31]}"
        (root / "configs" / "notes.yaml").write_text(yaml.safe_dump(config), "utf-8")
        said = []
        for words in (
            ("optimize", "notes", "--optimizer", "bootstrap", "--set", f"split.salt={planted[40]}"),
            ("optimize", "notes", "--json"),
            ("optimize", "notes", "--seed", "2", "--max-calls", "60"),
            ("eval", "notes"),
            ("promote", "notes", "--force"),
            ("export", "notes", "--format", "messages", "--force"),
            ("history", "notes"),
            ("runs",),
            ("diff", "notes"),
        ):
            said += [(words[0], text) for text in run(*words, workspace=root, env=env, check=False)[1:]]
    with serving(
        Provider(
            fault=lambda p, n, name, t: (
                401,
                {},
                json.dumps({"error": {"message": f"refused: {in_env[0]} and {in_file[0]}"}}).encode(),
            )
        )
    ) as provider:
        notes(root, provider.url, model="api_key_env: SERVICE_0_API_KEY")
        code, *texts = run("optimize", "notes", "--json", workspace=root, env=env, check=False)
        assert code == 69
        said += [("optimize", text) for text in texts]
        said += [("doctor", text) for text in run("doctor", "far", workspace=root, env=env, check=False)[1:]]
    found = [(command, text[max(0, text.find(s) - 80) :][:200]) for s in planted for command, text in said if s in text]
    for name, data in everything_written(root):
        found += [(s, name) for s in planted if s.encode() in data or json.dumps(s)[1:-1].encode() in data]
    assert found == []
    assert any(b"<SERVICE_" in data for _, data in everything_written(root))


def test_redact_masks_what_a_pattern_finds_in_every_store(tmp_path):
    with serving(Provider()) as provider:
        root = notes(tmp_path, provider.url)
        run("optimize", "notes", "--redact", "sad+le", "--redact", r"vio\w+", workspace=root)
    data = b"".join(data for _, data in everything_written(root))
    assert b"saddle" not in data
    assert b"violin" not in data
    assert b"[redacted]" in data


def test_a_pattern_that_is_none_is_refused(tmp_path):
    root = notes(tmp_path, "http://127.0.0.1:9/v1")
    code, _, err = run("optimize", "notes", "--redact", "(", workspace=root, check=False)
    assert code == 78
    assert "is not a regular expression" in err


CREDENTIAL = "zq81-Lw0nderful-Horse"
USER, QUERY, HEADER = "mole:burrow-77", "tunnel-4711-x", "badge-of-the-badger"
UNKNOWN = ("sk-live-0123456789abcdefXYZ", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtb2xlIn0.c2lnbmF0dXJlLW9mLWE")


@pytest.mark.parametrize("status", [200, 500])
def test_a_key_under_any_name_an_address_and_a_header_that_a_provider_repeats_are_nowhere(tmp_path, status):
    said = f"you sent Bearer {CREDENTIAL} as {USER} with {QUERY} and {HEADER}; others: {' '.join(UNKNOWN)}"

    class Echo(Provider):
        def text(self, body):
            text, *numbers = super().text(body)
            return f"{text}\n{CREDENTIAL} {USER} {QUERY} {HEADER}", *numbers

    def fault(provider, number, name, times):
        wrong = status == 500 and number % 5 == 0
        return (status, {}, json.dumps({"error": {"message": said}}).encode()) if wrong else None

    with serving(Echo(fault=fault)) as provider:
        address = provider.url.replace("//", f"//{USER}@") + f"?token={QUERY}"
        root = notes(tmp_path, provider.url, model="api_key_env: MY_LLM_CRED")
        path = root / "configs" / "models.yaml"
        other = f'  other: {{model: openai/x, api_base: "{address}", params: {{extra_headers: {{X-Badge: {HEADER}}}}}}}'
        path.write_text(f"{path.read_text('utf-8')}{other}\n", "utf-8")
        told = []
        env = {"MY_LLM_CRED": CREDENTIAL}
        for words in (
            ("optimize", "notes", "--optimizer", "bootstrap", "--max-calls", "60"), ("eval", "notes", "--json"),
            ("doctor", "far"), ("doctor", "other"), ("history", "notes"),
            ("export", "notes", "--force", "--format", "messages"),
        ):  # fmt: skip
            told += [(words[0], text) for text in run(*words, workspace=root, env=env, check=False)[1:]]
    secrets = [CREDENTIAL, USER, USER.partition(":")[2], QUERY, HEADER, *(UNKNOWN if status != 200 else ())]
    found = [(s, command) for s in secrets for command, text in told if s in text]
    found += [(s, name) for s in secrets for name, data in everything_written(root) if s.encode() in data]
    assert found == []
    written = b"".join(data for _, data in everything_written(root))
    assert b"<MY_LLM_CRED>" in written
    assert (b"[redacted]" in written) == (status != 200)
