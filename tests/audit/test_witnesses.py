"""A diagnosis as numbers of a fixed shape, and the samples that show it."""

import numpy as np
import pytest
import torch

from segtrain.audit import KINDS, Diagnosis, Interval, Survey, diagnosis_of, table_of, witnesses
from segtrain.audit.diagnosis import judged
from segtrain.audit.intervals import UNKNOWN
from segtrain.audit.survey import COLUMNS
from segtrain.types import Samples


def diagnosis() -> Diagnosis:
    amounts = {kind: Interval(0.1 * place, -1.0, 0.5 + place) for place, kind in enumerate(KINDS)}
    amounts["wide"] = Interval(2.0, 1.5, 2.5)
    amounts["tight"] = Interval(1.0, -np.inf, np.inf)
    amounts["missing"] = UNKNOWN
    return Diagnosis(tuple(judged(kind, 1, amounts[kind], calibrated=True) for kind in KINDS), calibrated=True)


def test_a_diagnosis_survives_as_numbers() -> None:
    table = table_of(diagnosis(), 3)
    assert table.shape == (3, len(KINDS), 3)
    assert not np.isnan(table).any()  # a checkpoint's tensors are compared bit by bit
    back = diagnosis_of(table, calibrated=True)
    assert [finding.why for finding in back.findings] == [finding.why for finding in diagnosis().findings]
    assert [finding.found for finding in back.findings] == [finding.found for finding in diagnosis().findings]
    assert [finding.kind for finding in back.found()] == ["wide"]


def test_an_empty_table_says_nothing() -> None:
    assert diagnosis_of(table_of(Diagnosis((), calibrated=False), 2), calibrated=False).findings == ()


@pytest.mark.parametrize(
    ("kind", "column", "values", "expected"),
    [
        ("wide", "offset", [9.0, 1, 5, -7, np.nan], [2, 1]),
        ("tight", "offset", [9.0, 1, 5, -7, np.nan], [3]),  # drawn outside is not tight
        ("unsteady", "middle", [9.0, 0, 1, -7, np.nan], [3, 2]),  # the noisy ones' median is 0
        ("missing", "missing", [9.0, 0, 3, 1, np.nan], [2, 3]),
    ],
)
def test_witnesses_are_the_noisy_samples_that_show_it_most(
    kind: str, column: str, values: list[float], expected: list[int]
) -> None:
    table = np.zeros((5, 2, len(COLUMNS)), np.float32)
    table[:, 1, COLUMNS.index(column)] = values
    clean = torch.tensor([True, False, False, False, False])
    number = torch.arange(5)
    samples = Samples(clean, torch.ones(5, dtype=torch.bool), number, number)
    survey = Survey(table, np.zeros((1, 2, 16, 2), np.float32), np.zeros((2, 2, 2)), samples)
    finding = judged(kind, 1, Interval(1.0, 0.5, 1.5), calibrated=True)
    assert witnesses(survey, finding, 2) == expected
    assert 0 not in witnesses(survey, finding, 9)  # clean
    assert 4 not in witnesses(survey, finding, 9)  # nothing is known of it
