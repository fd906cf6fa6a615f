"""The style sheet: every text can be read on every ground that it may stand on, in light and in dark."""

import re

import pytest

from reports.style import STYLE

AA, GRAPHIC = 4.5, 3.0
"""Least contrast of text and of what is no text (WCAG 2.2, 1.4.3 and 1.4.11)."""
LIGHT, DARK = re.findall(r":root\{([^}]*)\}", STYLE)
RULES = re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"@media[^{]*\{", "", STYLE))


def colours(block):
    found = dict(re.findall(r"--([a-z]+):(#[0-9a-f]{3,6})", block))
    return {name: "#" + "".join(2 * c for c in text[1:]) if len(text) == 4 else text for name, text in found.items()}


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def variable(declarations, name):
    found = re.search(rf"(?:^|;){name}:var\(--([a-z]+)\)", declarations)
    return found[1] if found else None


def pairs():
    """(text, ground): what one rule sets together, each text on paper and card, and plain text on each ground."""
    found = set()
    for _, declarations in RULES:
        text, ground = variable(declarations, "color"), variable(declarations, "background")
        if text and ground:
            found.add((text, ground))
        if text:
            found |= {(text, "paper"), (text, "card")}
        if ground and ground != "soft" and ground not in ("good", "bad"):  # those fill bars without any text
            found.add(("ink", ground))
    return found


def test_contrast_is_computed_as_the_guideline_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


def test_both_modes_have_the_same_colours():
    assert set(colours(LIGHT)) == set(colours(DARK))


@pytest.mark.parametrize("mode", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_is_readable_on_every_ground_that_the_style_uses(mode):
    known, used = colours(mode), pairs()
    assert {("soft", "card"), ("blue", "paper"), ("good", "goodbg"), ("ink", "openbg"), ("note", "notebg")} <= used
    poor = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in used}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < AA} == {}


@pytest.mark.parametrize("mode", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_and_marks_of_drawings_stand_out_from_the_paper(mode):
    known = colours(mode)
    drawn = {variable(body, name) for _, body in RULES for name in ("fill", "stroke")} - {None}
    marks = drawn - {"line", "paper", "card", "goodbg", "openbg"}  # grids, and grounds inside an outline
    assert {"blue", "orange", "soft", "good", "bad", "open", "note"} <= marks
    assert {name for name in marks if contrast(known[name], known["paper"]) < GRAPHIC} == set()
