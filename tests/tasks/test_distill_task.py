"""Gold, splits, agreement and the task that distils them: exact values."""

import json
from pathlib import Path

import pytest
import yaml

from core.errors import ConfigError, DataError, UsageError
from data.corpus import Row
from optimizers.distill import (
    DistillSpec,
    build_agreement_judge,
    field_agreement,
    load_gold_scenarios,
    parse_gold_jsonl,
    split_gold,
)
from tasks.distill_task import distillation_config, rollout_budget, save_task, task_file_text, task_name

HOME = Path(__file__).resolve().parents[2]
VERDICTS = HOME / "corpora" / "skill_verdicts.gold.jsonl"
AGREE = field_agreement(categorical=["value_verdict", "public_leak_risk"], array=["recommended_actions"])
GOLD = {"value_verdict": "keep", "public_leak_risk": True, "recommended_actions": ["sanitize", "split"]}


def row(gold, row_id="skill:a", split=None):
    return Row(row_id, {"text": row_id}, gold, split)


def lines(*rows):
    return "\n".join(map(json.dumps, rows))


# Agreement


def test_an_exact_match_scores_one_in_every_field_whatever_the_order_of_an_array():
    found = AGREE(GOLD, {**GOLD, "recommended_actions": ["split", "sanitize"]})
    assert found.score == 1.0
    assert found.fields == {"value_verdict": 1.0, "public_leak_risk": 1.0, "recommended_actions": 1.0}


def test_a_total_mismatch_scores_zero():
    assert (
        AGREE(GOLD, {"value_verdict": "cut", "public_leak_risk": False, "recommended_actions": ["merge"]}).score == 0.0
    )


def test_an_array_that_overlaps_by_half_scores_its_jaccard_index():
    gold = {**GOLD, "recommended_actions": ["a", "b", "c"]}
    found = AGREE(gold, {**gold, "recommended_actions": ["b", "c", "d"]})
    assert found.fields["recommended_actions"] == 0.5
    assert found.score == 2.5 / 3


def test_a_missed_leak_costs_a_third():
    found = AGREE(GOLD, {**GOLD, "public_leak_risk": False})
    assert found.score == 2 / 3
    assert found.fields["public_leak_risk"] == 0.0


def test_two_empty_arrays_agree_and_one_does_not():
    compare = field_agreement(array=["x"])
    assert compare({"x": []}, {"x": []}).score == 1.0
    assert compare({}, {"x": None}).score == 1.0
    assert compare({"x": ["a"]}, {"x": []}).score == 0.0


def test_a_scalar_is_an_array_of_one_and_duplicates_collapse():
    compare = field_agreement(array=["x"])
    assert compare({"x": "a"}, {"x": ["a", "a"]}).score == 1.0


@pytest.mark.parametrize(
    ("gold", "produced", "score"),
    [
        ({}, {}, 1.0),
        ({"x": None}, {}, 0.0),
        ({"x": "1"}, {"x": 1}, 0.0),
        ({"x": True}, {"x": "true"}, 0.0),
        ({"x": 1}, {"x": 1.0}, 1.0),
        ({"x": True}, {"x": 1}, 0.0),
        ({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}, 1.0),
    ],
)
def test_categorical_values_are_equal_when_their_json_is(gold, produced, score):
    """The order of keys does not matter, where the source compared texts."""
    assert field_agreement(categorical=["x"])(gold, produced).score == score


@pytest.mark.parametrize("produced", [None, "keep", 3, ["keep"]])
def test_anything_but_an_object_agrees_with_nothing(produced):
    assert field_agreement(categorical=["x"])({"x": "keep"}, produced).score == 0.0


def test_a_field_of_both_kinds_is_an_array_and_counts_once():
    found = field_agreement(categorical=["x", "y"], array=["x"])({"x": ["a"], "y": 1}, {"x": ["a", "b"], "y": 1})
    assert found.fields == {"y": 1.0, "x": 0.5}
    assert found.score == 0.75


def test_no_fields_are_refused():
    with pytest.raises(ValueError, match="at least one field"):
        field_agreement()


def test_the_judge_mirrors_agreement_and_names_the_weakest_field():
    judge = build_agreement_judge(AGREE)
    gold = {"value_verdict": "keep", "public_leak_risk": True, "recommended_actions": ["sanitize"]}
    found = judge.judge(row(gold), {"value_verdict": "keep", "public_leak_risk": False, "recommended_actions": []})
    assert found.score == 1 / 3
    assert found.fields["agreement"] == 1 / 3
    assert found.feedback.startswith("agreement 0.333; weakest field 'public_leak_risk' (0.000)")


@pytest.mark.parametrize("score", [1.5, -0.1, float("nan")])
def test_an_agreement_outside_its_range_is_refused(score):
    with pytest.raises(ValueError, match="out-of-range"):
        build_agreement_judge(lambda gold, produced: score).judge(row({}), {})


# Gold


def test_ids_keep_their_colons_because_nothing_is_ever_parsed_out_of_them():
    """The source renames ``skill:x`` to ``skill__x``, for it later takes ids out of composite strings."""
    text = lines(
        {"scenarioId": "skill:blueprint-launch", "id": "other", "input": {"a": "1"}, "label": None},
        {"scenarioId": "skill__blueprint-launch", "input": {"a": "2"}, "label": "x"},
    )
    rows = parse_gold_jsonl(text + "\n\n")
    assert [r.id for r in rows] == ["skill:blueprint-launch", "skill__blueprint-launch"]
    assert rows[0].gold == {"label": None}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"input": {"a": 1}, "label": 1}, "gold:2: the row has no id"),
        ({"id": "b", "label": 1}, "gold:2: the row has no input"),
        ({"id": "b", "input": {"a": 1}}, "gold:2: the row has no label"),
        ({"id": "a", "input": {"a": 1}, "label": 1}, "gold:2: duplicate id 'a', first seen at line 1"),
        ({"id": "b", "input": {"a": 1}, "label": 1, "split": "tset"}, "gold:2: unknown split 'tset'"),
    ],
)
def test_every_mistake_names_its_line(bad, message):
    with pytest.raises(DataError, match=message):
        parse_gold_jsonl(lines({"id": "a", "input": {"a": 0}, "label": 1}, bad))


def test_an_empty_gold_is_refused():
    with pytest.raises(DataError, match="no rows"):
        parse_gold_jsonl("\n")


# Splits


def test_the_first_untagged_row_is_test_and_tags_win():
    rows = [row({}, "s0"), row({}, "s1"), row({}, "s2", "holdout"), row({}, "s3")]
    for _ in range(2):
        split = split_gold(rows)
        assert {r.id for r in split.test} == {"s0", "s2"}
        assert {r.id for r in split.train} == {"s1", "s3"}


def test_fifty_three_untagged_rows_give_fourteen_to_the_test():
    split = split_gold([row({}, f"s{i}") for i in range(53)])
    assert (len(split.test), len(split.train)) == (14, 39)


@pytest.mark.parametrize("nth", [1, 0, True, 2.5])
def test_a_stride_below_two_is_refused(nth):
    with pytest.raises(UsageError, match="at least 2"):
        split_gold([row({}, "a"), row({}, "b")], nth)


@pytest.mark.parametrize(("tag", "side"), [("train", "train"), ("holdout", "test"), ("dev", "train")])
def test_gold_on_one_side_only_is_refused(tag, side):
    with pytest.raises(DataError, match=f"all 3 gold rows are on the {side} side"):
        split_gold([row({}, i, tag) for i in "abc"])


def test_the_verdicts_in_the_repository_match_themselves_and_notice_a_flipped_flag():
    rows = load_gold_scenarios(VERDICTS)
    split = split_gold(rows)
    assert (len(rows), len(split.train), len(split.test)) == (53, 41, 12)
    fields = [name for name in rows[0].gold if name != "top_actions"]
    compare = field_agreement(categorical=fields, array=["top_actions"])
    for r in rows:
        assert compare(r.gold, r.gold).score == 1.0
        flipped = {**r.gold, "public_leak_risk": not r.gold["public_leak_risk"]}
        assert compare(r.gold, flipped).score == pytest.approx(6 / 7)


# The task


def config(spec=None, rows=None):
    return distillation_config(
        rows or load_gold_scenarios(VERDICTS), spec or DistillSpec(), gold=VERDICTS, corpus_path="corpora/x.jsonl"
    )


def test_a_task_is_built_from_the_gold_alone():
    made = config()
    assert made.task == "distill-skill_verdicts"
    assert {name: spec.type for name, spec in made.outputs.items()} == {
        "value_verdict": "categorical", "quality_score": "categorical", "generalization_rating": "categorical",
        "public_leak_risk": "boolean", "write_target_rating": "categorical", "subagent_recommended": "boolean",
        "top_actions": "array",
    }  # fmt: skip
    assert made.outputs["value_verdict"].labels == ("cut", "improve", "keep", "merge")
    assert (made.models.student, made.models.reflector) == ("offline/small", "offline/large")
    assert made.split.stride == 4
    assert made.distillation is not None


def test_flags_reach_the_task():
    spec = DistillSpec(
        model="haiku", reps=3, delta=0.05, seed=7, test_every_nth=5, transfer=("sonnet",), baseline="Be."
    )
    made = config(spec)
    assert made.models.reflector == "haiku"
    assert (made.gate.repeats, made.gate.margin, made.optimizer.seed, made.split.stride) == (3, 0.05, 7, 5)
    assert made.distillation.transfer == ("sonnet",)
    assert made.instruction == "Be."


def test_declared_fields_take_their_labels_from_the_gold():
    rows = [
        row({"note": f"words {i}", "tags": [f"t{i}"], "rank": i % 3, "plain": f"own {i}"}, f"r{i}") for i in range(12)
    ]
    inferred = config(rows=rows).outputs
    assert (inferred["note"].type, inferred["tags"].item_labels) == ("text", None)
    declared = config(DistillSpec(categorical=("note", "rank"), array=("tags",)), rows).outputs
    assert declared["note"].labels == tuple(sorted(f"words {i}" for i in range(12)))
    assert declared["tags"].item_labels == tuple(sorted(f"t{i}" for i in range(12)))
    assert declared["rank"].type == "number"
    assert declared["plain"] == inferred["plain"]


def test_a_field_that_the_gold_does_not_have_is_named():
    with pytest.raises(UsageError, match=r"--categorical: the gold has no field 'value_verdit'") as caught:
        config(DistillSpec(categorical=("value_verdit",)))
    assert "value_verdict" in (caught.value.hint or "")


def test_a_value_that_the_task_file_does_not_take_is_a_configuration_error():
    with pytest.raises(ConfigError, match="gate"):
        config(DistillSpec(gate="no such gate"))


def test_the_budget_is_the_stated_formula():
    assert rollout_budget(3, 4, train=28, dev=13) == 13 + 3 * 4 * (2 * 20 + 13)
    assert rollout_budget(1, 2, train=2, dev=1) == 1 + 2 * (2 * 2 + 1)
    assert config().optimizer.budget == 649


@pytest.mark.parametrize(("generations", "population"), [(0, 4), (3, 0)])
def test_an_empty_search_is_refused(generations, population):
    with pytest.raises(UsageError, match="at least 1"):
        rollout_budget(generations, population, 10, 5)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("skill_verdicts.gold.jsonl", "distill-skill_verdicts"),
        ("My Gold (2).jsonl", "distill-my-gold-2"),
        ("日.csv", "distill-gold"),
    ],
)
def test_a_task_is_named_after_its_gold(file, name):
    assert task_name(Path(file)) == name


# The task file


def test_the_task_file_says_exactly_the_task():
    made = config()
    loaded = yaml.safe_load(task_file_text(made, VERDICTS))
    assert type(made).model_validate(loaded) == made


def test_an_equal_file_is_left_alone_and_an_unedited_one_is_replaced(tmp_path):
    path, written = save_task(config(), VERDICTS, tmp_path)
    assert written
    before = path.stat().st_mtime_ns
    assert save_task(config(), VERDICTS, tmp_path) == (path, False)
    assert path.stat().st_mtime_ns == before
    assert save_task(config(DistillSpec(seed=1)), VERDICTS, tmp_path) == (path, True)


def test_a_file_edited_by_hand_is_only_overwritten_by_force(tmp_path):
    path, _ = save_task(config(), VERDICTS, tmp_path)
    edited = path.read_text("utf-8").replace("Read the name", "Study the name")
    path.write_text(edited, "utf-8")
    with pytest.raises(UsageError, match="edited by hand"):
        save_task(config(), VERDICTS, tmp_path)
    assert path.read_text("utf-8") == edited
    assert save_task(config(), VERDICTS, tmp_path, force=True) == (path, True)


def test_the_file_of_another_gold_of_the_same_name_is_not_replaced(tmp_path):
    save_task(config(), VERDICTS, tmp_path)
    rows = load_gold_scenarios(VERDICTS)
    other = distillation_config(rows, DistillSpec(), gold=VERDICTS, corpus_path="elsewhere/x.jsonl")
    with pytest.raises(UsageError, match="another gold file"):
        save_task(other, VERDICTS, tmp_path)
