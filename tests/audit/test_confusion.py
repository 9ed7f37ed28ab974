"""What a label says of the truth: only confusions that are certain are undone, and by Bayes' rule."""

import numpy as np
import pytest
import torch

from segtrain.audit import Survey, posterior
from segtrain.audit.survey import COLUMNS
from segtrain.types import Samples


def surveyed(noisy: list[list[int]], clean: list[list[int]]) -> Survey:
    """Give a survey of which only the swaps are asked: of the label's class (row) by the predicted one (column)."""
    number = torch.arange(2)
    samples = Samples(number < 1, number >= 0, number, number)
    count = len(noisy)
    nothing = np.zeros((2, count, len(COLUMNS)), np.float32), np.zeros((1, count, 16, 2), np.float32)
    return Survey(*nothing, np.array([noisy, clean]), samples)


def test_names_that_are_exchanged_are_exchanged_back() -> None:
    found = posterior(surveyed([[0, 0, 0], [0, 90, 0], [0, 0, 90]], [[0, 0, 0], [0, 0, 30], [0, 30, 0]]))
    assert found.round(6).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_a_share_of_wrong_names_gives_bayes_rule() -> None:
    noisy, clean = [[0, 0, 0], [0, 300, 0], [0, 0, 300]], [[0, 0, 0], [0, 60, 40], [0, 0, 50]]
    found = posterior(surveyed(noisy, clean))
    # 100 objects of class 1, 40 of which are called 2; 50 of class 2, all called 2
    assert found[1].tolist() == pytest.approx([0, 1, 0])
    assert found[2].tolist() == pytest.approx([0, 40 / 90, 50 / 90])


def test_the_models_own_confusion_is_not_the_annotators() -> None:
    clean = [[0, 0, 0], [0, 80, 20], [0, 5, 45]]
    found = posterior(surveyed([[0, 0, 0], [0, 800, 200], [0, 50, 450]], clean))
    assert found.tolist() == np.eye(3).tolist()


def test_one_odd_object_is_no_habit() -> None:
    found = posterior(surveyed([[0, 0, 0], [0, 90, 0], [0, 0, 90]], [[0, 0, 0], [0, 10, 1], [0, 0, 10]]))
    assert found.tolist() == np.eye(3).tolist()


def test_a_class_that_annotators_never_use_is_found_under_the_name_they_give_it() -> None:
    found = posterior(surveyed([[0, 0, 0], [0, 200, 0], [0, 0, 0]], [[0, 0, 0], [0, 30, 0], [0, 10, 0]]))
    assert found[1].tolist() == pytest.approx([0, 0.75, 0.25])
    assert found.sum(1).tolist() == pytest.approx([1, 1, 1])
