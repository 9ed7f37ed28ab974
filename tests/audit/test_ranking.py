"""Labels ranked: what few have counts, what nearly all have does not, and chance alone gives even qualities."""

import numpy as np
import pytest
from scipy.stats import kstest

from segtrain.audit.issue import ISSUE_KINDS, Issue
from segtrain.audit.ranking import FAMILIES, qualities, severities


def issue(kind: str, score: float, side: int = 4) -> Issue:
    return Issue(kind, 1, 0, 1, 0, 0, np.ones((side, side), bool), score)


def test_every_kind_is_of_one_family() -> None:
    assert sorted(kind for kinds in FAMILIES.values() for kind in kinds) == sorted(ISSUE_KINDS)


def test_a_familys_worst_issue_counts() -> None:
    told = severities([issue("missing", 0.5), issue("extra", 0.9), issue("wide", 0.8, side=10), issue("hole", 0.6)])
    assert told == pytest.approx([0.6 * 4, 0.9 * 4, 0.8 * 10])
    assert severities([]).tolist() == [0, 0, 0]


def test_a_rare_fault_counts_more_than_a_common_one() -> None:
    table = np.zeros((100, 3))
    table[:80, 2] = np.linspace(1, 2, 80)  # outlines differ nearly everywhere
    table[90, 0] = 0.5  # a hole is found once
    found = qualities(table)
    assert found[90] == pytest.approx(found.min())  # as unusual as the worst outline of all
    assert found[90] < found[75]


def test_worse_is_never_better() -> None:
    table = np.random.default_rng(0).uniform(0, 5, (50, 3))
    before = qualities(table)
    table[7] += 1.0
    assert qualities(table)[7] <= before[7]
    assert qualities(np.zeros((5, 3))).tolist() == [1.0] * 5


def test_chance_alone_gives_even_qualities() -> None:
    """Fisher's method: if nothing is unusual, each quality is as likely as any other."""
    table = np.random.default_rng(1).exponential(size=(2000, 3))
    assert kstest(qualities(table), "uniform").pvalue > 0.01
