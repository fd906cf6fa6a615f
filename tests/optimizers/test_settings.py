"""What ``optimizer.settings`` of a task file may say: each reaches the optimiser, and nothing else is taken."""

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ConfigError
from optimizers import OPTIMIZERS
from optimizers.base import SearchSize
from optimizers.bootstrap import build_bootstrap
from optimizers.gepa import build_gepa
from optimizers.metaprompt import MetapromptSettings, Trainer
from optimizers.mipro import build_mipro, compiling
from optimizers.race.executor import RecordedOrder
from optimizers.race.optimizer import Course, RaceSettings
from optimizers.race.proposer import DEMOS
from optimizers.schedule import RowCost, Sizes, schedule_of
from optimizers.settings import check_settings, schema_of, without_effect
from optimizers.simba import build_simba
from tasks.config import OptimizerSection
from tests.journeys.commands import run
from tests.notes import notes
from tests.optimizers.searching import searching


def gepa(search):
    made = build_gepa(search)
    stoppers, proposer = made.gepa_kwargs["stop_callbacks"], made.custom_instruction_proposer
    return {
        "merge": proposer.settings.merge,
        "levers": list(proposer.settings.levers),
        "selection": made.candidate_selection_strategy,
        "components": made.component_selector,
        "skip_perfect": made.skip_perfect_score,
        "patience": stoppers[1].max_iterations_without_improvement,
    }


def mipro(search):
    made, told = build_mipro(search), compiling(search)
    return {
        "candidates": made.num_candidates,
        "trials": told["num_trials"],
        "temperature": made.init_temperature,
        "program_aware": told["program_aware_proposer"],
        "tips": told["tip_aware_proposer"],
    }


def bootstrap(search):
    made = build_bootstrap(search)
    return {"sets": made.num_candidate_sets, "labelled": made.max_labeled_demos, "rounds": made.max_rounds}


def simba(search):
    made = build_simba(search)
    return {
        "candidates": made.num_candidates,
        "steps": made.max_steps,
        "sampling": made.temperature_for_sampling,
        "choosing": made.temperature_for_candidates,
    }


def metaprompt(search):
    """What the search does with them is shown in test_metaprompt.py."""
    made = Trainer(search, MetapromptSettings.model_validate(dict(search.settings)))
    return made.settings.model_dump(mode="json")


def race(search):
    made = Course(replace(search, folder=Path(tempfile.mkdtemp())), RaceSettings.model_validate(dict(search.settings)))
    order, tactics = made.order(), made.policy.tactics
    return {
        "order": "recorded" if isinstance(order, RecordedOrder) else "fixed",
        "ahead": getattr(order, "ahead", 0),
        "lag": getattr(order, "lag", 0),
        "reflections": tactics.reflectors,
        "shown": tactics.shown,
        "confirm": tactics.confirm,
        "worth": tactics.worth,
        "combine": tactics.combine <= 1,
        "demos": any(part.startswith(DEMOS) for part in made.policy.entrants[0].parts),
        "proposer": made.proposer.text,
    }


REACH = {
    "gepa": gepa,
    "mipro": mipro,
    "bootstrap": bootstrap,
    "simba": simba,
    "metaprompt": metaprompt,
    "race": race,
}
"""What has reached the optimiser, by the names of our settings."""
OTHERS = {
    "gepa": {
        "selection": "current_best",
        "components": "all",
        "skip_perfect": False,
        "patience": 3,
        "merge": True,
        "levers": ["example"],
    },
    "mipro": {"candidates": 5, "trials": 7, "temperature": 0.5, "program_aware": False, "tips": False},
    "bootstrap": {"sets": 3, "labelled": 1, "rounds": 2},
    "simba": {"candidates": 3, "steps": 2, "sampling": 0.5, "choosing": 0.9},
    "metaprompt": {
        "epochs": 2,
        "train_size": 20,
        "history": 2,
        "alpha": 0.05,
        "metaprompt": "own.txt",
        "annotations": "said.jsonl",
        "levers": ["rule", "schema"],
        "retries": 0,
    },
    "race": {
        "order": "recorded",
        "ahead": 7,
        "lag": 5,
        "reflections": 3,
        "shown": 6,
        "confirm": 0.8,
        "worth": 0.01,
        "combine": False,
        "demos": False,
        "proposer": "own.txt",
    },
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)
def test_every_setting_reaches_the_optimiser(tmp_path, optimizer):
    usual, other = REACH[optimizer.name], OTHERS[optimizer.name]
    assert set(other) == set(schema_of(optimizer).model_fields)
    with searching(tmp_path) as search:
        before = usual(search)
    for key, value in other.items():
        with searching(tmp_path, settings={key: value}) as search:
            reached = usual(search)
        assert reached[key] == value != before[key]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)
def test_an_unknown_key_is_a_mistake_with_the_nearest_right_one(optimizer):
    key = next(iter(schema_of(optimizer).model_fields))
    with pytest.raises(ConfigError, match=rf"optimizer\.settings\.{key}x: unknown key.*did you mean '{key}'"):
        check_settings(optimizer, {f"{key}x": 1})


def test_a_settings_mistake_is_found_by_validate_with_its_line(tmp_path):
    path = notes(tmp_path, "http://127.0.0.1:9/v1") / "configs" / "notes.yaml"
    text = path.read_text("utf-8").replace("minibatch: 8}", "minibatch: 8, settings: {patienc: 3}}")
    path.write_text(text, "utf-8")
    line = 1 + text[: text.index("patienc")].count("\n")
    code, out, err = run("validate", workspace=tmp_path, check=False)
    assert code == 78
    assert f"notes.yaml:{line}: optimizer.settings.patienc: unknown key" in out + err
    assert "did you mean 'patience'?" in out + err


def test_general_settings_without_effect_are_named(tmp_path):
    section = OptimizerSection(minibatch=8, max_demos=2)
    said = {o.name: without_effect([o], section) for o in OPTIMIZERS}
    assert said["bootstrap"] == ("optimizer.minibatch: 8 has no effect, bootstrap does not use it",)
    assert said["gepa"] == ("optimizer.max_demos: 2 has no effect, gepa does not use it",)
    assert said["simba"] == ()
    assert not any(without_effect([o], OptimizerSection()) for o in OPTIMIZERS)
    notes(tmp_path, "http://127.0.0.1:9/v1")
    words = ("validate", "notes", "--set", "optimizer.name=bootstrap")
    assert said["bootstrap"][0] in run(*words, workspace=tmp_path)[1]
    assert said["bootstrap"][0] in json.loads(run(*words, "--json", workspace=tmp_path)[1])["tasks"][0]["notes"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mipro", {"trials": 5}), ("bootstrap", {"sets": 2}), ("simba", {"steps": 1}), ("metaprompt", {"epochs": 2})],
)
def test_a_setting_that_makes_a_search_shorter_makes_its_forecast_smaller(name, settings):
    sizes = Sizes(RowCost(300, 50, 0.4), demo=150, gold_out=60)

    def calls(given):
        shape = SearchSize(50, 25, 1, 2000, 20, 4, given)
        schedule = schedule_of(OPTIMIZERS.get(name))
        return schedule.draw(shape, sizes, random.Random(0)).student.calls

    assert calls(settings) < 0.7 * calls({})
