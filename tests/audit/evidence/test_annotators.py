"""What others who drew the image say."""

import numpy as np

from segtrain.audit.evidence import AnnotatorDisagreement
from segtrain.types import IGNORE
from tests.audit.evidence.looks import look_at, probs_of


def doubt(label: list[int], *others: list[int]) -> list[float]:
    given = np.array([label], np.uint8)
    masks = tuple(np.array([other], np.uint8) for other in others)
    return AnnotatorDisagreement()(look_at(given, probs_of(given), annotations=masks))[0].tolist()


def test_it_is_the_share_that_says_otherwise() -> None:
    assert doubt([0, 1, 2, 1], [0, 1, 1, 0], [0, 0, 1, 2]) == [0, 0.5, 1, 1]


def test_who_ignores_a_pixel_has_no_say() -> None:
    assert doubt([0, 1, 1], [IGNORE, 0, IGNORE], [1, 1, IGNORE]) == [1, 0.5, 0]


def test_no_doubt_where_the_label_is_ignored_or_nobody_else_drew() -> None:
    assert doubt([IGNORE, 1], [0, 1]) == [0, 0]
    assert doubt([0, 1]) == [0, 0]


def test_overlapping_classes_are_compared_plane_by_plane() -> None:
    label = np.array([[[0, 1]], [[1, 1]]], np.uint8)
    other = np.array([[[0, 0]], [[1, IGNORE]]], np.uint8)
    found = AnnotatorDisagreement()(look_at(label, probs_of(label), annotations=(other,)))
    assert found.tolist() == [[[0, 1]], [[0, 0]]]
