"""What a proposal must keep, on texts that people write."""

import pytest

from core.limits import (
    Limits,
    LimitsSection,
    RefusedError,
    changed_sentences,
    form_lines,
    placeholders,
    sections,
    sentences,
)

SEED = """# Triage

Read the note about {topic}. Decide how urgent it is.

## Rules
A fire is urgent. A leak is urgent.

```
## not a heading
```

## Output format
Answer only with JSON: {"urgency": "high"}.
"""


def limits(**said):
    return Limits(LimitsSection.model_validate(said), {"triage": SEED})


def refused(proposal, parent=SEED, **said):
    """Why a proposal is refused; None when it is not."""
    try:
        limits(**said).admitted("triage", parent, proposal)
    except RefusedError as error:
        return str(error)
    return None


def test_sections_end_at_the_next_heading_of_their_level_and_code_has_none():
    found = sections(SEED)
    assert list(found) == ["Triage", "Rules", "Output format"]
    assert found["Output format"] == 'Answer only with JSON: {"urgency": "high"}.'
    assert "## not a heading" in found["Rules"]
    assert found["Triage"].startswith("Read the note")
    assert found["Triage"].endswith('"high"}.')  # everything, for the whole text stands below it


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("A. B. C.", "A. B. C.", 0),
        ("A. B. C.", "A.  B.\nC.", 0),
        ("A. B. C.", "A. X. C.", 1),
        ("A. B. C.", "A. C.", 1),
        ("A. B. C.", "A. B. C. D. E.", 2),
        ("A. A.", "A.", 1),
    ],
)
def test_a_replaced_sentence_counts_once(before, after, count):
    assert changed_sentences(before, after) == count
    assert len(set(sentences(before)) ^ set(sentences(after))) <= 2 * count


def test_placeholders_are_names_in_braces_and_json_is_none():
    assert placeholders('{a} and {{ b }} and {"c": 1} and {} and {d, e} and {{{f}}}') == {"{a}", "{{b}}"}


def test_lines_on_the_form_of_the_answer():
    assert form_lines(SEED) == ("```", "## not a heading", "```", 'Answer only with JSON: {"urgency": "high"}.')


def test_without_limits_only_placeholders_are_kept():
    assert refused("Decide about {topic}.") is None
    assert refused("Decide.") == "placeholder {topic} dropped"
    assert refused("Decide.", placeholders=False) is None
    assert refused("  \n") == "the proposal is empty"


def test_a_stray_name_in_braces_is_escaped_where_the_seed_is_a_template():
    assert limits().admitted("triage", SEED, "{topic}: {foo} {{bar}}") == "{topic}: {{foo}} {{bar}}"
    plain = Limits(LimitsSection(), {"triage": "Decide."})
    assert plain.admitted("triage", "Decide.", 'Say {foo} or {"a": 1}.') == 'Say {foo} or {"a": 1}.'


def test_each_limit_refuses_what_breaks_it_and_nothing_else():
    rewritten = SEED.replace("A fire is urgent.", "A fire is always urgent.")
    other_form = SEED.replace("Answer only with JSON", "Answer with JSON")
    for said in ({"protected": ["Output format"]}, {"headings": "auto"}, {"output_format": True}, {"sentences": 1}):
        assert refused(rewritten, **said) is None
    assert refused(other_form, protected=["Output format"]) == "protected section 'Output format' changed"
    assert refused(SEED.split("## Output")[0], protected=["Output format"]).endswith("dropped")
    assert refused(other_form, headings="auto") is None
    assert refused(SEED.replace("## Rules", "## Hints"), headings="auto") == "heading 'Rules' dropped"
    assert refused(SEED.replace("## Rules", "## Hints"), headings=["Output format"]) is None
    assert refused(other_form, output_format=True) == "a line on the form of the answer changed"
    assert refused(SEED + "\nOne. Two.", sentences=1) == "more than 1 sentences changed"
    assert refused(SEED + "\nOne. Two.", sentences=2) is None
    assert refused(SEED, tokens=len(SEED) // 4 + 1) is None
    assert refused(SEED + "word " * 40, tokens=len(SEED) // 4 + 1).startswith("more than")


def test_sections_and_placeholders_are_those_of_the_seed_and_sentences_those_of_the_parent():
    parent = SEED.replace("A leak is urgent.", "A leak is urgent. A smell is urgent.")
    child = parent.replace("A smell is urgent.", "A smell is not.")
    assert refused(child, parent=parent, sentences=1) is None
    assert refused(child, sentences=1) is None
    assert refused(child.replace("{topic}", "it"), parent="no placeholder") == "placeholder {topic} dropped"


def test_whoever_proposes_is_told_every_limit():
    told = limits(protected=["Output format"], headings="auto", sentences=4, tokens=100, output_format=True)
    assert told.told("triage").splitlines() == [
        "Keep the section 'Output format' word for word.",
        "Keep these headings as they are: Rules, Output format.",
        "Keep these placeholders as they are: {topic}.",
        "Change at most 4 sentences.",
        "The new instruction must be at most 400 characters.",
        "Keep this line as it is: ```",
        "Keep this line as it is: ## not a heading",
        "Keep this line as it is: ```",
        'Keep this line as it is: Answer only with JSON: {"urgency": "high"}.',
    ]
    assert Limits().told("triage") == ""


def test_headings_that_no_instruction_has_are_named():
    assert limits(protected=["Output format", "Tone"], headings=["Style"]).missing() == ("Tone", "Style")
