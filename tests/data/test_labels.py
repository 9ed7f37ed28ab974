"""Rewritten labels as files."""

from pathlib import Path

import numpy as np

from segtrain.data.labels import RevisedLabels, SoftLabel


def soft(value: float) -> SoftLabel:
    probs = np.full((2, 4, 5), value, np.float16)
    probs[0] = 1 - value
    return SoftLabel(probs, np.full((4, 5), 200, np.uint8))


def test_a_label_comes_back(tmp_path: Path) -> None:
    labels = RevisedLabels(tmp_path)
    labels.write(1, "a b=c,d", soft(0.75))
    found = labels.read(1, "a b=c,d")
    assert found is not None
    assert np.array_equal(found.probs, soft(0.75).probs)
    assert np.array_equal(found.weight, soft(0.75).weight)


def test_the_newest_that_is_not_too_new_is_read(tmp_path: Path) -> None:
    labels = RevisedLabels(tmp_path)
    labels.write(1, "a", soft(0.1))
    labels.write(3, "a", soft(0.3))
    values = [
        None if (label := labels.read(r, "a")) is None else round(float(label.probs[1, 0, 0]), 1) for r in range(5)
    ]
    assert values == [None, 0.1, 0.1, 0.3, 0.3]
    assert labels.read(4, "b") is None


def test_a_half_written_file_is_never_read(tmp_path: Path) -> None:
    labels = RevisedLabels(tmp_path)
    labels.write(1, "a", soft(0.1))
    (tmp_path / "0002").mkdir()
    (tmp_path / "0002" / "a.part.npz").write_bytes(b"half")
    found = labels.read(2, "a")
    assert found is not None
    assert round(float(found.probs[1, 0, 0]), 1) == 0.1
