"""The belief about edits: against the same posterior written out in full, and over worlds drawn from its own prior."""

from __future__ import annotations

import numpy as np
import pytest

from stats.edits import BETA_MEAN, BETA_SD, SEED, START, TAUS, Edit, EditModel

CHAIN = (SEED, Edit("reflection", 0), Edit("reflection", 1))
SETS = (0b000, 0b010, 0b110)


def told(scores: dict[tuple[int, str], float]) -> EditModel:
    model = EditModel()
    for (candidate, row), score in scores.items():
        model.add(candidate, row, score)
    return model


def test_the_posterior_is_that_of_the_joint_normal_distribution() -> None:
    """Effects and scores written as one normal vector and conditioned on the scores: the same means."""
    rng = np.random.default_rng(3)
    scores = {
        (c, f"r{i}"): float(rng.random()) for c in range(3) for i in range(5 - c)
    }  # fewer than are estimated from
    scores = dict(list(scores.items())[:7])
    model = told(scores)
    model.fit(CHAIN, SETS)
    rows, edits, noise = model._variances
    weights = model._weights
    tau = float(np.sqrt(weights @ TAUS**2))
    design = model._design
    spread = np.diag(np.concatenate([[START[1] ** 2], BETA_SD**2, [tau**2, tau**2]]))
    mean = np.concatenate([[START[0]], BETA_MEAN, [0, 0]])
    which = [c for c, _ in scores]
    names = [row for _, row in scores]
    loadings = design[which]
    shared = np.array([[(SETS[a] & SETS[b]).bit_count() for b in which] for a in which])
    same = np.array([[a == b for b in names] for a in names])
    covariance = loadings @ spread @ loadings.T + same * (rows + edits * shared) + noise * np.eye(len(scores))
    residual = np.array(list(scores.values())) - loadings @ mean
    expected = design @ (mean + spread @ loadings.T @ np.linalg.solve(covariance, residual))
    assert model.mean == pytest.approx(expected)


def test_relatives_share_what_is_known_of_their_edits() -> None:
    """The grandchild was never scored, yet its parent's good scores speak for it."""
    scores = {(0, f"r{i}"): 0.2 for i in range(20)} | {(1, f"r{i}"): 0.8 for i in range(20)}
    model = told(scores)
    model.fit(CHAIN, SETS, estimate=True)
    lift = model.lift(2)
    assert lift.mean > 0.1
    assert lift.sd > model.lift(1).sd


def test_an_edit_that_came_with_others_has_its_share_of_what_all_bring() -> None:
    together = (SEED, Edit("reflection", 0, 0.5), Edit("reflection", 0, 0.5))
    model = told({(c, f"r{i}"): 0.2 + 0.4 * c for c in range(2) for i in range(20)})
    model.fit(together, (0b000, 0b110), estimate=True)
    first, second = model.effects()[1:]
    assert first == pytest.approx(second)
    assert first + second == pytest.approx(model.mean[1] - model.mean[0])


def test_after_a_few_bad_proposals_there_is_still_hope() -> None:
    edits = (SEED, *(Edit("reflection", 0) for _ in range(6)))
    scores = {(c, f"r{i}"): 0.6 - 0.05 * bool(c) for c in range(7) for i in range(12)}
    model = told(scores)
    model.fit(edits, (0, *(1 << e for e in range(1, 7))), estimate=True)
    assert model.fresh(0.4) < 0 < model.gain(0.4)


def test_of_worlds_drawn_from_the_model_the_claim_for_the_pick_is_not_too_high() -> None:
    """120 worlds of 12 edits: the sceptical claim is a point too low on average; 95 % intervals hold in nine of ten."""
    rng = np.random.default_rng(11)
    errors, inside = [], 0
    for _ in range(120):
        tau = rng.choice([0.02, 0.04, 0.08])
        effects = rng.normal(0, tau, 12)
        quality = 0.5 + np.concatenate([[0.0], effects])
        difficulty = rng.normal(0, 0.15, 40)
        model = EditModel()
        for c in range(13):
            for i in range(40):
                model.add(c, f"r{i}", float(quality[c] + difficulty[i] + rng.normal(0, 0.25)))
        model.fit(
            (SEED, *(Edit("reflection", 0) for _ in range(12))),
            tuple([0] + [1 << e for e in range(1, 13)]),
            estimate=True,
        )
        pick = int(np.argmax(model.mean[1:])) + 1
        lift = model.lift(pick)
        errors.append(lift.mean - effects[pick - 1])
        inside += abs(lift.mean - effects[pick - 1]) <= 1.96 * lift.sd
    assert -0.02 < np.mean(errors) < 0.005
    assert inside / 120 > 0.85
