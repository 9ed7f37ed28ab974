"""near_duplicates.csv: images of one split that look like images of another, so that scores on them are too good."""

from collections import Counter

import pandas as pd

from segtrain.data.check import near_duplicates
from segtrain.data.source import DataSet

__all__ = ["leakage_sentences", "leakage_table"]


def leakage_table(data: DataSet) -> pd.DataFrame:
    """Give a row for each pair, the nearest first: correlation, split and image, other split and image."""
    pairs = near_duplicates(data, data.num_workers)
    rows = [(alike, first.split, first.id, second.split, second.id) for alike, first, second in pairs]
    return pd.DataFrame(rows, columns=["correlation", "split", "image", "other_split", "other_image"])


def leakage_sentences(table: pd.DataFrame) -> list[str]:
    """Say between which splits there are such pairs."""
    pairs = Counter(zip(table["split"], table["other_split"], strict=True))
    return [
        f"{count} images of {other} look nearly like ones of {split} (near_duplicates.csv): scores on {other} may be "
        "too good."
        for (split, other), count in pairs.items()
    ]
