"""The annotators' bias is told from the model's own, and only where it is certain."""

import numpy as np
import pytest

from segtrain.audit import estimate_bias, habits, posterior, survey
from segtrain.audit.survey import COLUMNS
from tests.audit.scenes import SceneView, disc, moved, scene

TRUTHS = [scene(number) for number in range(40)]


def by_size(share: float):  # type: ignore[no-untyped-def]
    """Draw every disc wider by a share of its diameter."""

    def draw(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        diameter = 2 * np.sqrt(planes[1].sum() / np.pi)
        return moved(share * diameter)(planes, rng)

    return draw


def test_the_bias_is_what_the_model_is_off_on_clean_samples_less_what_it_is_off_on_the_noisy_ones() -> None:
    for annotators, model in ((3.0, 3.0), (2.0, 4.0), (-2.0, -3.0)):  # the model's own bias is no bias of the labels
        bias = estimate_bias(survey(SceneView(TRUTHS, moved(annotators, 0.3), moved(model, 0.3)), 2))
        assert bias.displacement[1] == pytest.approx(annotators, abs=0.5)
        assert bias.low[1] <= bias.displacement[1] <= bias.high[1]
        assert bias.significant.tolist() == [False, True]
        assert bias.model[1] == pytest.approx(model, abs=0.5)


@pytest.mark.parametrize("model", [0.0, 2.0, -2.0])
def test_right_labels_have_no_bias_however_far_off_the_model_is(model: float) -> None:
    view = SceneView(TRUTHS, moved(0.0), moved(model, 0.5))
    bias = estimate_bias(survey(view, 2))
    assert not bias.significant.any()
    assert not bias.corrects.any()


def test_a_class_that_the_model_never_predicts_is_left_alone() -> None:
    view = SceneView(TRUTHS, moved(3.0), lambda planes, _: np.zeros_like(planes))
    bias = estimate_bias(survey(view, 2))
    assert not bias.corrects.any()
    assert (bias.low == -np.inf).all()


def test_one_clean_sample_bears_no_correction_and_three_do() -> None:
    for num_clean, significant in ((1, False), (3, True)):
        view = SceneView(TRUTHS, moved(3.0, 0.3), moved(3.0, 0.3), num_clean=num_clean)
        assert estimate_bias(survey(view, 2)).significant[1] == significant


def test_a_label_that_varies_more_than_the_model_is_itself_at_fault() -> None:
    wavering = estimate_bias(survey(SceneView(TRUTHS, moved(0.0, 2.0), moved(0.0, 0.5)), 2))
    assert not wavering.significant[1]
    assert wavering.own[1] == pytest.approx(1 - 0.5**2 / (2**2 + 0.5**2), abs=0.15)
    steady = estimate_bias(survey(SceneView(TRUTHS, moved(0.0), moved(0.0, 1.0)), 2))
    assert steady.own[1] == 0


def test_a_displacement_in_proportion_to_size_is_recognised() -> None:
    clean = SceneView(TRUTHS, by_size(0.15), by_size(0.15), num_clean=16)
    assert estimate_bias(survey(clean, 2)).slope[1] == pytest.approx(0.15, abs=0.03)
    assert estimate_bias(survey(clean, 2), scale="pixels").slope[1] == 0
    constant = SceneView(TRUTHS, moved(2.0), moved(2.0), num_clean=16)
    assert estimate_bias(survey(constant, 2)).slope[1] == 0
    assert estimate_bias(survey(constant, 2), scale="diameters").slope[1] > 0.08


def test_overlapping_classes_have_a_bias_each() -> None:
    truths = [scene(number, 3)[1:] for number in range(40)]

    def draw(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        wide, tight = moved(2.0, 0.2)(planes, rng), moved(-1.5, 0.2)(planes, rng)
        return np.stack([wide[0], tight[1]])

    bias = estimate_bias(survey(SceneView(truths, draw, draw, overlapping=True), 2))
    assert bias.displacement == pytest.approx([2.0, -1.5], abs=0.4)
    assert bias.significant.all()


def test_each_annotator_has_his_habit() -> None:
    names = [number % 4 for number in range(48)]

    def view(habit: float) -> SceneView:
        own = [habit * (name == 2) for name in names]
        truths = [scene(number) for number in range(48)]
        return SceneView(truths, moved(2.0, 0.3), moved(2.0, 0.3), names=names, habits=own)

    found = habits(survey(view(3.0), 2))
    assert list(found) == [2]
    assert found[2][1] == pytest.approx(3.0 * 0.75, abs=0.5)  # than all of them together
    assert habits(survey(view(0.0), 2)) == {}


def test_a_survey_counts_and_measures_every_labelled_sample_in_one_pass() -> None:
    view = SceneView(TRUTHS, moved(2.0), moved(0.0))
    found = survey(view, 2)
    assert view.passes == 1
    assert found.table.shape == (40, 2, len(COLUMNS))
    assert found.column("offset", clean=False)[:, 1] == pytest.approx(np.full(32, 2.0), abs=0.4)
    assert found.column("offset", clean=True)[:, 1] == pytest.approx(np.zeros(8), abs=1e-6)
    assert found.column("given", clean=True)[:, 1].sum() == 8
    areas = [view.given(index)[1].sum() for index in range(8, 40)]
    assert found.column("given_area", clean=False)[:, 1].tolist() == areas


def test_a_confusion_is_undone_by_bayes_rule_where_it_is_more_than_the_models_own() -> None:
    truths = [scene(number, 3) for number in range(60)]

    def swapping(rate: float):  # type: ignore[no-untyped-def]
        def draw(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            drawn = planes.copy()
            if rng.random() < rate:
                drawn[2] |= drawn[1]
                drawn[1] = False
            return drawn

        return draw

    always = posterior(survey(SceneView(truths, swapping(1.0), swapping(1.0), num_clean=20), 3))
    assert always[2] == pytest.approx([0, 0.5, 0.5], abs=0.01)  # "2" is said of both, equally frequent, classes
    confused_model = posterior(survey(SceneView(truths, swapping(0.0), swapping(0.4), num_clean=20), 3))
    assert (confused_model == np.eye(3)).all()


def test_labels_without_any_object_are_no_fault() -> None:
    view = SceneView([np.zeros((2, 64, 64), bool)] * 12, moved(1.0), lambda *_: np.stack([disc(5)] * 2))
    found = survey(view, 2)
    assert np.isnan(found.column("offset", clean=False)).all()
    assert not estimate_bias(found).corrects.any()
