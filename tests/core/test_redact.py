"""What is masked: values that are known to be secret, and in errors whatever has the shape of a key."""

import base64

import pytest

from core.redact import NOTHING, from_environment

KEYS = (
    "sk-proj-0123456789abcdef", "sk-ant-api03-ABCDEF0123456789", "AIza" + "b" * 35, "AKIA" + "A" * 16,
    "ghp_" + "a" * 36,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtb2xlIn0.c2lnbmF0dXJl",
)  # fmt: skip


@pytest.mark.parametrize("key", [*KEYS, "whatever-it-is-0815"])
def test_an_error_is_told_without_anything_shaped_like_a_key(key):
    said = NOTHING.error(f"401: you sent 'Authorization: Bearer {key}', which is wrong")
    assert key not in said
    assert said.startswith("401: you sent 'Authorization: Bearer [redacted]")


def test_what_is_no_error_is_left_as_it_is():
    assert NOTHING.text(KEYS[0]) == KEYS[0]
    assert NOTHING.error("the task-force asked for sk-8 and a bearer of news") == (
        "the task-force asked for sk-8 and a bearer of news"
    )


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_the_key_of_a_model_is_masked_whatever_its_variable_is_called(tmp_path, monkeypatch, place):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "models.yaml").write_text("models: {far: {model: openai/x, api_key_env: PLAIN}}")
    if place == ".env":
        (tmp_path / ".env").write_text("PLAIN=quite-a-secret")
    else:
        monkeypatch.setenv("PLAIN", "quite-a-secret")
    assert from_environment(tmp_path).text("it is quite-a-secret!") == "it is <PLAIN>!"


def test_what_an_entry_holds_by_mistake_is_masked_as_well(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "models.yaml").write_text(
        'models: {far: {model: openai/x, api_base: "https://mole:burrow%2077@h/v1?code=tunnel-7", '
        "params: {max_tokens: 'as many', headers: {X-Badge: Bearer badger-1}, client_secret: otter-22}}}"
    )
    redact = from_environment(tmp_path)
    basic = base64.b64encode(b"mole:burrow 77").decode()
    said = f"mole:burrow%2077@h burrow 77 {basic} tunnel-7 badger-1 otter-22 as many"
    assert redact.text(said) == (
        "<far:api_base>@h <far:api_base> <far:api_base> <far:api_base:code> <far:params> <far:params> as many"
    )


DEEP = "[" * 200_000  # libyaml, which PyYAML may use, ends the process


@pytest.mark.parametrize("text", ["models: [", "models: 3", "[]", "models: {far: 3}", DEEP], ids=lambda text: text[:20])
def test_a_broken_models_file_is_somebody_elses_to_tell(tmp_path, text):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "models.yaml").write_text(text)
    assert from_environment(tmp_path).text("hello") == "hello"
