"""One label mended: what changes, by whom, and nothing else."""

import numpy as np
import pytest

from segtrain.audit.issue import Issue, apply_issues
from segtrain.audit.mend import correction_row, mend
from segtrain.audit.store import Entry


def scene(overlapping: bool) -> tuple[np.ndarray, Entry]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, (2, 9, 11) if overlapping else (9, 11), dtype=np.uint8)
    suggested = (1 - label).astype(np.uint8)
    suggested[..., 0] = label[..., 0]  # no change there
    everywhere = np.ones((4, 5), bool)
    places = [(0, 0), (2, 3), (2, 3), (5, 6)]
    issues = [Issue("wide", n % 2, 1, 0, *place, everywhere, 0.9) for n, place in enumerate(places)]
    return label, Entry("a", issues, suggested, suggested)


@pytest.mark.parametrize("overlapping", [False, True])
def test_what_was_accepted_changes_and_nothing_else(overlapping: bool) -> None:
    label, entry = scene(overlapping)
    mended = mend(label, entry, ["person", "model", "rejected", "open"])
    np.testing.assert_array_equal(mended.label, apply_issues(label, entry.suggested, entry.issues[:2]))
    np.testing.assert_array_equal(mended.sources > 0, mended.label != label)
    assert mended.pixels == {0: 16, 1: 20}
    assert set(np.unique(mended.sources)) == {0, 1, 2}


def test_where_both_accepted_the_person_counts() -> None:
    label, entry = scene(False)
    for verdicts in (["open", "person", "model", "open"], ["open", "model", "person", "open"]):
        mended = mend(label, entry, verdicts)  # type: ignore[arg-type]
        assert (mended.sources[2:6, 3:8] == 2).all()
        assert mended.pixels == {1: 20, 2: 20}
        assert (mended.sources > 0).sum() == 20


def test_without_issues_nothing_changes() -> None:
    label, entry = scene(False)
    mended = mend(label, entry._replace(issues=[]), [])
    np.testing.assert_array_equal(mended.label, label)
    assert not mended.sources.any()


def test_a_row_says_why() -> None:
    issue = Issue("missing", 1, -1, 1, 3, 4, np.ones((2, 5), bool), 0.876, {"self_confidence": 0.5, "margin": 0.95})
    row = correction_row("a#0", "a", issue, ["lung", "heart"], 7, 0.875, "Ada", "now")
    assert (
        row["why"] == "Score 0.88, from which on about 88% of issues are right; the strongest evidence is margin, 0.95."
    )
    assert (row["class"], row["given"], row["suggested"]) == ("heart", "", "heart")
    bare = correction_row("a#0", "a", issue._replace(evidence={}), ["lung", "heart"], 7, None, "Ada", "now")
    assert bare["why"] == "Score 0.88."
