"""How right an audit is, where a reference mask tells the truth: of its issues, its order of images, its mending."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from segtrain.audit.issue import Issue, apply_issues
from segtrain.data.examine import agreement
from segtrain.types import IGNORE

__all__ = ["Marked", "mark", "marks"]


class Marked(NamedTuple):
    """One label and its issues beside the truth."""

    wrong: bool
    """A pixel is otherwise in the truth, or there is no true label as the image was thrown out."""
    dice: float
    """Of the label with the truth; NaN if there is none."""
    right: tuple[bool, ...]
    """Of each issue: most of its region is as suggested in the truth."""
    after: np.ndarray
    """(T,), Dice when the issues from each threshold on are mended."""
    mended: np.ndarray
    """(T,), pixels that were wrong and are right then."""
    harmed: np.ndarray
    """(T,), pixels that were right and are wrong then."""


def mark(
    label: np.ndarray,
    truth: np.ndarray | None,
    issues: Sequence[Issue],
    suggested: np.ndarray,
    thresholds: Sequence[float],
    classes: Sequence[str],
) -> Marked:
    """Mark one label.

    Args:
        label: (H, W) or (K, H, W), `IGNORE` where ignored.
        truth: likewise; None = nobody knows.
        issues: of the label.
        suggested: in its form.
        thresholds: scores.
        classes: names; one called "background" does not count for Dice.
    """
    none = np.zeros(len(thresholds))
    if truth is None:
        return Marked(True, np.nan, (True,) * len(issues), none + np.nan, none, none)
    shown = [number for number, name in enumerate(classes) if name != "background"]
    known = (label != IGNORE) & (truth != IGNORE)
    wrong = (label != truth) & known
    after, mended, harmed = none.copy(), none.copy(), none.copy()
    for place, threshold in enumerate(thresholds):
        changed = apply_issues(label, suggested, [issue for issue in issues if issue.score >= threshold])
        after[place] = agreement(changed, truth, len(classes), shown)
        mended[place] = (wrong & (changed == truth)).sum()
        harmed[place] = (known & ~wrong & (changed != truth)).sum()
    right = tuple(bool(_plane(wrong & (suggested == truth), issue)[issue.mask].mean() > 0.5) for issue in issues)
    return Marked(bool(wrong.any()), agreement(label, truth, len(classes), shown), right, after, mended, harmed)


def _plane(planes: np.ndarray, issue: Issue) -> np.ndarray:
    return (planes if planes.ndim == 2 else planes[issue.number])[issue.window]


def marks(
    images: pd.DataFrame, issues: pd.DataFrame, marked: dict[str, Marked], thresholds: Sequence[float]
) -> dict[str, Any]:
    """Sum up.

    Args:
        images: images.csv, the worst first.
        issues: issues.csv with a column `right`.
        marked: image -> its marks.
        thresholds: those of the marks.
    """
    images = images[~images["clean"]]  # a label that is known to be right is not searched
    noisy = [marked[name] for name in images["image"]]
    wrong = np.array([one.wrong for one in noisy], bool)
    dice = np.array([one.dice for one in noisy], float)
    rows = [
        {
            "score": threshold,
            "issues": int((issues["score"] >= threshold).sum()),
            "right": _mean(issues.loc[issues["score"] >= threshold, "right"].to_numpy(float)),
            "dice_after": _mean(np.array([one.after[place] for one in noisy])),
            "mended": int(sum(one.mended[place] for one in noisy)),
            "harmed": int(sum(one.harmed[place] for one in noisy)),
        }
        for place, threshold in enumerate(thresholds)
    ]
    return {
        "wrong_images": int(wrong.sum()),
        "ranking": {
            "quality": _ranking(wrong, dice, np.arange(len(images))),  # as images.csv has them
            "soft_minimum": _ranking(wrong, dice, images["soft_minimum"].to_numpy(float)),
        },
        "dice_before": _mean(np.array([one.dice for one in noisy])),
        "thresholds": rows,
    }


def _ranking(wrong: np.ndarray, dice: np.ndarray, quality: np.ndarray) -> dict[str, float | None]:
    """Say how well an order, the lowest quality first, puts wrong images first."""
    order = np.argsort(quality, kind="stable")
    known = np.isfinite(dice)
    told: dict[str, float | None] = {"average_precision": None, "spearman_with_dice": None}
    if wrong.any():
        told["average_precision"] = float(average_precision_score(wrong, -quality))
        told["precision_at_25"] = float(wrong[order][:25].mean())
        told["recall_at_100"] = float(wrong[order][:100].sum() / wrong.sum())
    if known.sum() > 2 and np.ptp(dice[known]) > 0 and np.ptp(quality[known]) > 0:
        told["spearman_with_dice"] = float(spearmanr(quality[known], dice[known]).statistic)
    return told


def _mean(values: np.ndarray) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
