"""Who draws farther outside than the others is found, and by how much; with few labels nobody is named."""

import numpy as np
import pytest

from segtrain.audit import survey
from segtrain.audit.parties import Accord, parties_of
from tests.audit.scenes import SceneView, disc, moved, scene

HABIT = 1.5


def view(num_clean: int) -> SceneView:
    """Two annotators, of whom the second draws 1.5 pixels farther outside; the model draws in between."""
    count = 40
    names = [number % 2 for number in range(count)]
    return SceneView(
        [scene(number) for number in range(count)],
        moved(0.0, 0.2),
        moved(HABIT / 2, 0.2),
        num_clean=num_clean,
        names=names,
        habits=[HABIT * name for name in names],
    )


def members(given: SceneView) -> dict[str, np.ndarray]:
    annotator = given.samples.annotator.numpy()
    return {"a": annotator == 0, "b": annotator == 1, "few": np.arange(len(annotator)) >= len(annotator) - 4}


@pytest.mark.parametrize("num_clean", [0, 12])
def test_who_draws_farther_outside_than_the_others_is_told(num_clean: int) -> None:
    given = view(num_clean)
    found = parties_of(survey(given, 2), members(given))
    assert set(found) == {"a", "b"}
    for name, sign in (("a", -1), ("b", 1)):
        beside = found[name].beside[1]
        assert beside.significant
        assert beside.value == pytest.approx(sign * HABIT, abs=0.4)  # outlines are drawn on a grid, twice


def test_with_clean_labels_each_party_stands_beside_the_truth() -> None:
    given = view(12)
    found = parties_of(survey(given, 2), members(given))
    (wide,) = found["b"].diagnosis.found("wide")
    assert wide.amount.value == pytest.approx(HABIT, abs=0.4)
    assert not found["a"].diagnosis.found("wide", "tight")


def test_annotators_of_the_same_images_stand_beside_the_majority_of_the_others() -> None:
    accord = Accord(["a", "b", "c", "d"], 2)
    for number in range(12):
        radius = 8 + number % 3
        far = disc(3, 6, 6)  # an object that only d draws
        planes = [disc(radius), disc(radius), disc(radius + 2), disc(radius) | far]
        accord.add(dict(zip("abcd", (plane.astype(np.uint8) for plane in planes), strict=True)))
    assert accord.of("c", 1)["outside"].value == pytest.approx(2, abs=0.3)
    assert abs(accord.of("a", 1)["outside"].value) < 0.3
    assert accord.of("d", 1)["extra"].value == pytest.approx(0.5)
    assert accord.of("d", 1)["extra"].low > 0.2
    assert accord.of("a", 1)["missing"].value == 0
    assert np.isnan(accord.of("a", 0)["outside"].value)  # the surroundings have no outline of their own


def test_planes_of_overlapping_classes_and_ignored_pixels() -> None:
    accord = Accord(["a", "b", "c"], 2)
    both = np.stack([disc(10), disc(6)]).astype(np.uint8)
    ignored = both.copy()
    ignored[:, :32] = 255
    wide = np.stack([disc(12), disc(6)]).astype(np.uint8)
    for _ in range(3):
        accord.add({"a": both, "b": ignored, "c": wide})
    assert accord.of("c", 0)["outside"].value == pytest.approx(2, abs=0.5)
    assert accord.of("c", 1)["outside"].value == pytest.approx(0, abs=0.4)


def test_two_annotators_have_no_majority() -> None:
    accord = Accord(["a", "b"], 2)
    accord.add({"a": disc(8).astype(np.uint8), "b": disc(9).astype(np.uint8)})
    assert accord.of("a", 1) == {}
