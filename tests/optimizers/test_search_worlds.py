"""Worlds in which searches are compared: their truth, their luck, and the searches that DSPy's users have today."""

import json
from itertools import pairwise
from statistics import mean

import pytest

from bench.search import Cell, main, read, row, searched
from bench.search import run as run_cell
from bench.search_peers import PEERS, SearchRecord
from bench.search_worlds import MAKERS, NULLS, START, world


def with_rules(*rules, start=START):
    return "\n".join([start, *(f"RULE {rule}" for rule in rules)])


@pytest.mark.parametrize("name", MAKERS)
def test_what_a_world_says_depends_on_what_it_is_asked_and_not_on_when(name):
    first, again, other = world(name, 3, 0.1), world(name, 3, 0.1), world(name, 4, 0.1)
    predictor = next(iter(first.seed_texts))
    shown = [(r, *first.score(first.seed_texts, r)) for r in first.train]
    assert shown == [(r, *again.score(again.seed_texts, r)) for r in again.train[::-1]][::-1]
    assert shown != [(r, *other.score(other.seed_texts, r)) for r in other.train]
    texts = dict(first.seed_texts)
    for nonce in range(5):
        texts[predictor] = first.propose(texts, predictor, shown[:4], nonce)
    late = world(name, 3, 0.1)  # has never made these edits itself, as after a restart
    assert [late.score(texts, r) for r in late.dev] == [first.score(texts, r) for r in first.dev]
    assert (late.truth(texts), late.expected(texts)) == (first.truth(texts), first.expected(texts))
    assert late.propose(texts, predictor, shown[:4], 9) == first.propose(texts, predictor, shown[:4], 9)


def test_the_truth_of_hidden_rules_is_a_sum_over_what_rows_need():
    plain, noisy = world("rule", 0), world("rule", 0, 0.1)
    assert plain.truth(plain.seed_texts) == pytest.approx(0.2)
    assert noisy.expected(noisy.seed_texts) == pytest.approx(0.2 * 0.9 + 0.8 * 0.1)
    covered = 2 / 3 * 11 / 12 + 1 / 3 * (11 * 10) / (12 * 11)
    assert plain.truth({"main": with_rules(*range(11))}) == pytest.approx(covered + 0.2 * (1 - covered))
    assert plain.truth({"main": with_rules(*range(12), *range(12))}) == pytest.approx(1)
    real = world("rule-real", 0)
    assert real.truth({"main": with_rules(*range(12), *range(12))}) == pytest.approx(0.8)  # ten lines too many


def test_a_rule_counts_in_its_own_predictor_alone_and_some_rows_need_both():
    pair = world("pair", 0)
    first, second = with_rules(*range(6)), with_rules(*range(6, 12))
    assert pair.truth({"first": second, "second": first}) == pytest.approx(0.2)
    assert pair.truth({"first": first, "second": START}) == pytest.approx(0.3 + 0.7 * 0.2)
    assert pair.truth({"first": START, "second": second}) == pytest.approx(0.3 + 0.7 * 0.2)
    assert pair.truth({"first": first, "second": second}) == pytest.approx(1)


def test_feedback_misleads_on_the_same_three_rows_of_ten_and_what_it_names_does_not_help():
    misled, plain = world("misled", 0), world("rule-real", 0)
    said = {r: (misled.score(misled.seed_texts, r)[1], plain.score(plain.seed_texts, r)[1]) for r in misled.train}
    wrong = [r for r, (misleading, true) in said.items() if misleading != true]
    failing = [r for r, (_, true) in said.items() if true != "ok"]
    assert len(wrong) / len(failing) == pytest.approx(0.3, abs=0.1)
    for r in wrong:
        named = int(said[r][0].removeprefix("missing RULE "))
        assert misled.score({"main": with_rules(named)}, r) == (0.0, f"missing RULE {named}")
        assert misled.truth({"main": with_rules(named)}) == pytest.approx(0.2)


@pytest.mark.parametrize(("name", "noise"), [("rule", 0.2), ("rule-real", 0.1), ("pair", 0.1), ("smooth", 0.2)])
def test_scores_of_fresh_rows_are_what_was_expected(name, noise):
    many = MAKERS[name](name, 5, noise, train=20_000)
    texts = dict(many.seed_texts)
    for nonce in range(18):
        predictor = list(texts)[nonce % len(texts)]
        shown = [(r, *many.score(texts, r)) for r in many.train[4 * nonce : 4 * nonce + 4]]
        texts[predictor] = many.propose(texts, predictor, shown, nonce)
    for asked in (many.seed_texts, texts):
        assert mean(many.score(asked, r)[0] for r in many.train) == pytest.approx(many.expected(asked), abs=0.012)
        assert abs(many.expected(asked) - many.truth(asked)) > 0.0002


@pytest.mark.parametrize("name", NULLS)
def test_where_nothing_can_be_found_all_texts_are_equal_and_only_luck_differs(name):
    null = world(name, 0, 0.1)
    texts = [{"main": START + "\nEDIT 0123456789 topics 1" + "\n# note" * n} for n in range(30)]
    assert {null.truth(t) for t in texts} == {null.truth(null.seed_texts)}
    assert {null.expected(t) for t in texts} == {null.expected(null.seed_texts)}
    assert len({mean(null.score(t, r)[0] for r in null.dev) for t in texts}) > 1
    assert null.target > 1


def test_half_of_a_rows_luck_can_be_the_same_for_every_text():
    def agreement(name):
        null = world(name, 0)
        texts = [{"main": f"{START}{n}"} for n in range(20)]
        scores = [[null.score(t, r)[0] for r in null.train] for t in texts]
        return mean(a == b for one, other in pairwise(scores) for a, b in zip(one, other, strict=True))

    assert agreement("null") == pytest.approx(0.58, abs=0.02)  # .7 squared and .3 squared
    assert agreement("null-c") == pytest.approx(0.58 + 0.25 * 0.42, abs=0.04)  # both texts take the row's luck


def test_a_line_of_a_graded_world_counts_once_wherever_it_stands():
    smooth = world("smooth", 1)
    weak = [(r, *smooth.score(smooth.seed_texts, r)) for r in smooth.train[:4]]
    edits = [smooth.propose(smooth.seed_texts, "main", weak, nonce).split("\n")[1] for nonce in range(3)]

    def truth(*lines):
        return smooth.truth({"main": "\n".join([START, *lines])})

    assert truth(*edits) == truth(*reversed(edits)) == truth(*edits, edits[0], "# a remark")
    assert len({truth(edit) for edit in edits} | {truth()}) == 4


def test_an_unknown_world_is_refused():
    with pytest.raises(ValueError, match="received 'rules', there are rule, rule-real"):
        world("rules", 0)


@pytest.mark.parametrize("policy", PEERS)
def test_a_search_can_be_repeated_and_its_last_pick_is_its_result(policy):
    cell = Cell("rule", 0.0, policy, 600, 1)
    found = run_cell(cell)
    assert found.curve == run_cell(cell).curve
    assert found.curve[-1][1] == pytest.approx(found.final, abs=1e-6)
    assert found.curve[0][1] == pytest.approx(found.base) == pytest.approx(0.2)
    assert found.final > 0.23
    assert found.adopted
    assert found.calls <= 600 + (50 + 2 * 20)  # gepa ends the iteration that it is in
    assert found.reached(found.final - 1e-6) <= found.calls


def test_a_claim_is_held_against_what_fresh_rows_would_show():
    null = [run_cell(Cell("null", 0.0, "gepa-3", 800, seed)) for seed in range(3)]
    assert all(record.claim > 0 and record.real == 0 and record.adopted for record in null)
    assert run_cell(Cell("rule-real", 0.0, "accept-all", 200, 0)).claim is None


def test_a_comparison_goes_on_where_it_was_cut_off(tmp_path, capsys):
    out = tmp_path / "found.jsonl"
    asked = ["--worlds", "rule", "--noise", "0", "--policies", "accept-all,mipro", "--budget", "300", "--out", str(out)]
    main([*asked, "--seeds", "2"])
    whole = out.read_text().splitlines()
    out.write_text("\n".join(whole[:3]) + "\n" + whole[3][:40])
    main([*asked, "--seeds", "2", "--table"])
    assert len(read(out)) == 4
    assert [json.loads(line)["curve"] for line in out.read_text().splitlines()] == [
        json.loads(line)["curve"] for line in whole
    ]
    assert "| rule 0 | accept-all |" in capsys.readouterr().out


def test_searches_run_in_several_processes_are_the_same():
    cells = [Cell("rule", 0.0, "accept-all", 200, seed) for seed in range(3)]
    assert [r.curve for r in searched(cells, 2)] == [r.curve for r in searched(cells, 1)]


def test_the_table_counts_a_search_that_never_gets_there_as_infinite():
    def record(seed, *curve):
        final = curve[-1][1]
        return SearchRecord(
            "gepa-3", "rule", 0.1, seed, curve, final, 0.2, 0.8, final - 0.2, True, 300, 7, budget=300, cpu=0.5
        )

    records = [record(0, (50, 0.2), (120, 0.95)), record(1, (50, 0.2)), record(2, (50, 0.2), (280, 0.92))]
    assert row(records) == (
        "| rule 0.1 | gepa-3 | 280 (2) | 0.690 (-0.365 to 1.745) | 2 of 3 (21-94 %) | +31.0 (-74.5 to +136.5) "
        "| 3 of 3 (44-100 %) | 7 | 0.50 |"
    )


def test_a_mistyped_policy_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["--policies", "gepa-4"])
    assert "received gepa-4; there are gepa-3, gepa-8" in capsys.readouterr().err
