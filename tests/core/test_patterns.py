"""Patterns of people and models: what would hang is refused by name, and what hangs all the same is ended."""

import pytest

import core.patterns
from core.errors import ConfigError, UsageError
from core.patterns import SlowPatternError, pattern_problem, replaced, search
from core.redact import Redactor
from sessions.layouts.mapping import mapping_of
from tasks.config import RunSection

HANGING = [
    r"(a+)+$", r"(x+x+)+y", r"(\w+\s?)*$", r"([a-z]+)*\d!$", r"(a|aa)+$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"\d+\d+\d+x",
    r"(-+)*:", r"(?:ab|aba?)+!",
]  # fmt: skip
HARMLESS = [
    r"\b\d{3}-\d{2}-\d{4}\b", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", r"sk-[A-Za-z0-9]{20,}", r"\s+$", "Möller|Müller",
    r"\+?\d[\d ()-]{7,}\d", r"(?i)iban:?\s*[A-Z]{2}\d{2}(?:\s?\w{4})+", r"password=\S+", "a" * 500, ".",
]  # fmt: skip


@pytest.mark.parametrize("pattern", HANGING)
def test_what_would_hang_is_refused_wherever_a_person_may_write_it(pattern):
    said = f"{pattern!r} takes too long on texts that it does not match"
    with pytest.raises(ValueError, match="takes too long") as refused:
        RunSection(redact=(pattern,))
    assert said in str(refused.value)


def test_so_is_it_in_mappings_and_on_the_command_line():
    for mapping in ({"infrastructure": ["(a+)+$"]}, {"fields": {"model": {"path": "a", "pattern": "(a+)+$"}}}):
        with pytest.raises(ConfigError, match="takes too long"):
            mapping_of(mapping, "m.yaml")
    with pytest.raises(UsageError, match="takes too long"):
        Redactor.gather({}, patterns=["(a+)+$"])


@pytest.mark.parametrize("pattern", HARMLESS)
def test_what_people_mask_is_allowed(pattern):
    assert pattern_problem(pattern) == ""


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "(?P<a>x)(?P<a", "a{99999999999999999999}"])
def test_what_is_no_pattern_is_told_as_such(pattern):
    assert pattern_problem(pattern).startswith("is not a regular expression: ")


def test_a_search_that_takes_too_long_is_ended_by_name(monkeypatch):
    monkeypatch.setattr(core.patterns, "LONGEST_SECONDS", 0.05)
    said = r"'\(a\+\)\+\$' takes longer than 0.05 s on a text of 5,001 characters"
    for work in (search, lambda pattern, text: replaced(pattern, "-", text)):
        with pytest.raises(SlowPatternError, match=said):
            work("(a+)+$", "a" * 5_000 + "!")


def test_what_stands_for_a_match_is_taken_to_the_letter():
    assert replaced("s(.)d", r"\1\g<1>", "sad sod") == r"\1\g<1> \1\g<1>"
