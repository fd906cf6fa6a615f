"""A model that writes prompts and cannot be understood: counted, shown, and the end of a run that it makes useless."""

import json

import pytest

from optimizers import OPTIMIZERS
from tests.journeys.commands import run
from tests.notes import notes
from tests.provider import Provider, serving

SORRY = "[[ ## I am ## ]] sorry"


class Sorry(Provider):
    """Its larger model apologises from its first answer on, or only where it is asked to."""

    sometimes = False

    def text(self, body):
        asked = sum(b["model"].endswith("large") for b in self.seen)
        if body["model"].endswith("large") and (asked == 2 or not self.sometimes):
            return SORRY, 50, 3
        return super().text(body)


@pytest.mark.parametrize("optimizer", [o for o in OPTIMIZERS if o.name in ("gepa", "mipro")], ids=lambda o: o.name)
def test_a_run_whose_reflector_is_never_readable_ends_after_a_few_and_says_what_it_said(tmp_path, optimizer):
    with serving(Sorry()) as provider:
        notes(tmp_path, provider.url)
        words = ("optimize", "notes", "--optimizer", optimizer.name, "--set", "run.max_unreadable=3", "--json")
        code, out, err = run(*words, workspace=tmp_path, check=False)
        asked = sum(body["model"].endswith("large") for body in provider.seen)
    body = json.loads(out)
    assert code == 69
    assert "answered 3 times in a row what cannot be read; the first: '[[ ## I am ## ]] sorry'" in body["message"]
    assert " mind answered" in body["message"]
    assert "choose another model (models." in err
    assert asked <= 6  # three in the search, and what the pilot tried


def test_a_reflector_that_is_readable_in_the_end_is_counted_in_the_warnings(tmp_path):
    with serving(Sorry()) as provider:
        provider.sometimes = True
        notes(tmp_path, provider.url)
        code, out, err = run("optimize", "notes", "--json", workspace=tmp_path, check=False)
    assert code == 0, err
    [said] = [w for w in json.loads(out)["warnings"] if "could not be read" in w]
    assert "answers of the reflector could not be read; the first: '[[ ## I am ## ]] sorry'" in said
