"""Simulated noise is found, of the right kind and about as much as there is; where there is none, none is named."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter, shift

from segtrain.audit import KINDS, Diagnosis, diagnose, survey
from tests.audit.scenes import SIDE, Draws, Masks, SceneView, disc, moved, scene

MODEL = moved(0.0, 0.3)
"""A model that is a little off, now outside and now inside."""


def waving(deviation: float) -> Draws:
    """Let every outline wander, by a smooth field of this deviation in pixels."""

    def draw(planes: Masks, rng: np.random.Generator) -> Masks:
        wave = gaussian_filter(rng.standard_normal((SIDE, SIDE)), 3, mode="wrap")
        outside = [distance_transform_edt(~plane) - distance_transform_edt(plane) for plane in planes]
        return planes.any((1, 2), keepdims=True) & (np.stack(outside) < deviation * wave / wave.std())

    return draw


def shifted(by: float) -> Draws:
    """Move each picture's objects as a whole, in a direction of its own."""

    def draw(planes: Masks, rng: np.random.Generator) -> Masks:
        angle = rng.uniform(0, 2 * np.pi)
        return np.asarray(shift(planes.astype(float), (0, by * np.sin(angle), by * np.cos(angle)), order=1)) > 0.5

    return draw


def toothed(rate: float) -> Draws:
    """Flip pixels on either side of outlines."""

    def draw(planes: Masks, rng: np.random.Generator) -> Masks:
        rim = moved(1.0)(planes, rng) & ~moved(-1.0)(planes, rng)
        return planes ^ (rim & (rng.random(planes.shape) < rate))

    return draw


def speckled(rate: float) -> Draws:
    return lambda planes, rng: planes ^ (rng.random(planes.shape) < rate)


def dropped(rate: float) -> Draws:
    """Forget objects by chance."""
    return lambda planes, rng: planes & (rng.random(len(planes)) >= rate)[:, None, None]


def small_dropped(planes: Masks, rng: np.random.Generator) -> Masks:
    """Never draw the smaller half of the objects."""
    return MODEL(planes & (planes.sum((1, 2), keepdims=True) > np.pi * 9.5**2), rng)


def added(rate: float) -> Draws:
    """Draw an object where there is none."""
    return lambda planes, rng: planes | (disc(4, 56, 10) & (rng.random() < rate))


def renamed(rate: float) -> Draws:
    """Exchange the names of two classes."""
    return lambda planes, rng: planes[[0, 2, 1]] if rng.random() < rate else planes


def diagnosed(annotator: Draws, model: Draws = MODEL, first: int = 0, count: int = 48, clean: int = 12) -> Diagnosis:
    truths = [scene(number) for number in range(first, first + count)]
    return diagnose(survey(SceneView(truths, annotator, model, num_clean=clean), num_classes=2))


@pytest.mark.parametrize(
    ("kind", "annotator", "model", "amount", "tolerance"),
    [
        ("wide", moved(2.0), moved(2.0, 0.3), 2.0, 0.3),
        ("tight", moved(-1.5), moved(-1.5, 0.3), 1.5, 0.3),
        ("unsteady", moved(0.0, 2.0), MODEL, 2.0 * 0.674, 0.5),  # the typical deviation of a normal one of 2
        ("shaky", waving(1.5), MODEL, 1.2, 0.7),  # what of the wave moves objects as a whole is taken off
        ("displaced", shifted(3.0), MODEL, 3.0, 0.4),
        ("ragged", toothed(0.3), MODEL, 0.3, 0.1),
        ("random pixels", speckled(0.02), MODEL, 0.02, 0.004),
    ],
)
def test_each_kind_is_found_alone_and_about_as_much_as_there_is(
    kind: str, annotator: Draws, model: Draws, amount: float, tolerance: float
) -> None:
    (finding,) = diagnosed(annotator, model).found()
    assert (finding.kind, finding.number) == (kind, 1)
    assert finding.amount.value == pytest.approx(amount, abs=tolerance)
    assert 0 < finding.amount.low <= finding.amount.value <= finding.amount.high


@pytest.mark.parametrize(
    ("kind", "annotator", "model", "rate"),
    [
        ("missing", dropped(0.3), MODEL, 0.3),
        ("missing", small_dropped, small_dropped, 0.5),  # a habit: the model has it, too
        ("extra", added(0.6), MODEL, 0.6 / 1.6),  # of the drawn objects
    ],
)
def test_objects_that_are_missing_or_none_are_found(kind: str, annotator: Draws, model: Draws, rate: float) -> None:
    (finding,) = diagnosed(annotator, model, count=120, clean=40).found()
    assert finding.kind == kind
    assert finding.amount.low <= rate <= finding.amount.high


@pytest.mark.parametrize("model", [MODEL, renamed(1.0)])
def test_swapped_names_are_found_by_chance_and_as_a_habit(model: Draws) -> None:
    annotator = renamed(0.3) if model is MODEL else model
    truths = [scene(number, 3) for number in range(120)]
    found = diagnose(survey(SceneView(truths, annotator, model, num_clean=40), 3)).found()
    assert [(finding.kind, finding.number) for finding in found] == [("swapped", 1), ("swapped", 2)]
    for finding in found:
        assert finding.amount.low <= (0.3 if model is MODEL else 1.0) <= finding.amount.high


def test_right_labels_are_named_wrong_in_at_most_one_of_twenty_however_the_model_errs() -> None:
    models = (MODEL, moved(1.0, 0.5), waving(1.0), shifted(1.0), toothed(0.2))
    false = [bool(diagnosed(moved(0.0), models[seed % 5], first=100 * seed).found()) for seed in range(20)]
    assert sum(false) <= 1


def test_two_kinds_in_two_classes_are_told_apart() -> None:
    def annotator(planes: Masks, rng: np.random.Generator) -> Masks:
        drawn = planes.copy()
        drawn[1], drawn[2] = moved(2.0)(planes, rng)[1], speckled(0.03)(planes, rng)[2]
        return drawn

    def model(planes: Masks, rng: np.random.Generator) -> Masks:
        drawn = MODEL(planes, rng)
        drawn[1] = moved(2.0, 0.3)(planes, rng)[1]
        return drawn

    truths = [np.stack([disc(0), disc(8, 20, 20 + n % 5), disc(9, 44, 44 - n % 7)]) for n in range(48)]
    found = diagnose(survey(SceneView(truths, annotator, model, num_clean=12, overlapping=True), 3)).found()
    assert {(finding.kind, finding.number) for finding in found} == {("wide", 1), ("random pixels", 2)}


def test_without_clean_samples_only_what_labels_show_by_themselves_is_named() -> None:
    assert diagnosed(moved(2.0), moved(2.0, 0.3), clean=0).found() == []
    assert [finding.kind for finding in diagnosed(speckled(0.02), clean=0).found()] == ["random pixels"]
    told = diagnosed(speckled(0.02), clean=0)
    assert not told.calibrated
    assert all(finding.why.endswith("the model's own error included") for finding in told.findings)


def test_a_finding_says_how_much_in_its_unit_and_every_kind_is_answered() -> None:
    told = diagnosed(moved(2.0), moved(2.0, 0.3))
    assert [finding.kind for finding in told.findings] == list(KINDS)
    (wide,) = told.found()
    assert wide.why.startswith(f"class 1: outlines lie {wide.amount.value:.1f} pixels outside the true ones (")
    others = [finding for finding in told.findings if not finding.found]
    assert all("none, or too little" in finding.why or "nothing can be told" in finding.why for finding in others)
