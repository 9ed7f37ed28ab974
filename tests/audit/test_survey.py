"""A survey measures each label once against its prediction, and what is not there is not a number."""

import numpy as np
import pytest
import torch

from segtrain.audit.survey import COLUMNS, MOST_OBJECTS, margins, survey
from tests.audit.scenes import SIDE, Masks, SceneView, disc, moved, scene

TRUTHS = [scene(number) for number in range(10)]


def test_rows_are_the_samples_and_columns_what_was_measured() -> None:
    view = SceneView(TRUTHS, moved(2.0), moved(0.0), num_clean=3)
    found = survey(view, 2)
    assert view.passes == 1
    assert found.table.shape == (10, 2, len(COLUMNS))
    assert found.column("offset", clean=False).shape == (7, 2)
    assert found.column("offset", clean=True)[:, 1] == pytest.approx(np.zeros(3), abs=1e-6)
    assert found.column("offset", clean=False)[:, 1] == pytest.approx(np.full(7, 2.0), abs=0.4)
    assert found.column("given_area", clean=False)[:, 1].tolist() == [view.given(i)[1].sum() for i in range(3, 10)]
    assert found.column("depth", clean=True)[:, 1] == pytest.approx(
        [np.sqrt(truth[1].sum() / np.pi) for truth in TRUTHS[:3]], abs=1
    )
    assert not np.nan_to_num(found.table[:, 0]).any()  # the surroundings are not measured


def test_objects_are_those_of_clean_samples_the_largest_first() -> None:
    found = survey(SceneView(TRUTHS, moved(0.0), moved(-1.5), num_clean=4), 2)
    assert found.objects.shape == (4, 2, MOST_OBJECTS, 2)
    diameters = [2 * np.sqrt(truth[1].sum() / np.pi) for truth in TRUTHS[:4]]
    assert found.objects[:, 1, 0, 0] == pytest.approx(diameters, abs=0.1)
    assert found.objects[:, 1, 0, 1] == pytest.approx(np.full(4, -1.5), abs=0.4)
    assert np.isnan(found.objects[:, 1, 1:]).all()


def test_without_an_outline_on_either_side_there_is_no_offset() -> None:
    def nothing(planes: Masks, rng: np.random.Generator) -> Masks:
        return np.zeros_like(planes)

    for annotator, model in ((nothing, moved(0.0)), (moved(0.0), nothing)):
        found = survey(SceneView(TRUTHS, annotator, model, num_clean=2), 2)
        for column in ("offset", "middle", "spread", "wander", "shift"):
            assert np.isnan(found.column(column, clean=False)[:, 1]).all()


def test_ignored_pixels_cut_no_object() -> None:
    weight = torch.ones(SIDE, SIDE)
    weight[:, 30:34] = 0
    truths = [np.stack([~disc(12), disc(12)])] * 4
    whole, cut = (
        survey(SceneView(truths, moved(0.0), moved(0.0), num_clean=1, weight=valid), 2) for valid in (None, weight)
    )
    assert (cut.column("given", clean=False) == whole.column("given", clean=False)).all()
    assert (cut.column("given_area", clean=False)[:, 1] == (disc(12) & (weight.numpy() > 0)).sum()).all()


def test_margins_are_the_lead_over_the_strongest_other_class() -> None:
    probs = torch.tensor([0.2, 0.5, 0.3]).view(1, 3, 1, 1)
    assert margins(probs).ravel() == pytest.approx([-1, 0.2, -0.2])
    both = torch.tensor([[0.1, 0.9], [0.6, 0.4]]).view(1, 2, 2, 1, 1)
    assert margins(both).ravel() == pytest.approx([0.8, -0.2])
