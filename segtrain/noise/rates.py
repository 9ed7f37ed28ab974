"""How often labels are wrong, class by class: estimated from a network that has learned a little, never given.

A network learns what labels have in common before it learns each one's mistakes (Arpit et al. 2017). Early on, then,
where it is sure of another class, the label is doubtful: confident learning (Northcutt et al. 2021) counts that. What
labels have in common may be wrong too, such as outlines that are all too wide; no network trained on them can know,
but masks that are known to be right can tell: the network stands in for the annotator on them.

All tables are (K, C, ...): K problems of C classes each; exclusive classes are one problem.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from segtrain.noise.selection import as_problems, hardened
from segtrain.types import CLASS_AXIS, Seen, TrainingView

__all__ = ["ClassSums", "area_rates", "confident_joint", "disagreement_rates", "estimate_joint", "estimate_rates",
           "sum_over"]  # fmt: skip


class ClassSums(NamedTuple):
    """Sums over pixels, each (K, C)."""

    given: Tensor
    """Pixels with this label, of samples not known to be clean."""
    confidence: Tensor
    """The probability of the label, over these pixels."""
    predicted: Tensor
    """The probability of the class, over all pixels of samples not known to be clean."""
    clean_given: Tensor
    """Pixels with this label, of clean samples."""
    clean_predicted: Tensor
    """The probability of the class, over all pixels of clean samples with this label."""
    num_clean: Tensor
    """Clean samples with this label; and the sums over them of the products of the areas given and predicted."""
    given_given: Tensor
    given_predicted: Tensor
    predicted_predicted: Tensor


def estimate_rates(view: TrainingView) -> Tensor:
    """Give the share of wrong labels among those of each class, (2, K, C) in [0, 1/2]; two passes of the training set.

    First the share that errs in common (see `area_rates`), then the share that disagrees with a sure network. The
    network is wrong too: how often, clean samples tell, and what they tell is taken off (Rogan and Gladen 1978).
    """
    joint, clean, sums = estimate_joint(view)
    wrong, own = disagreement_rates(joint[-1]), disagreement_rates(clean)
    return torch.stack([area_rates(sums), ((wrong - own) / (1 - own)).clamp_min(0)])


def estimate_joint(view: TrainingView, num_annotators: int = 0) -> tuple[Tensor, Tensor, ClassSums]:
    """Count what is given against what is confidently believed, with the mean confidence as threshold.

    Returns:
        Pixels of samples not known to be clean, (A + 1, K, C given, C believed), for each annotator and, last, for
        all; those of clean samples, (K, C, C); and the sums of the first pass.
    """
    sums = ClassSums(*sum_over(view, _class_sums))
    threshold = sums.confidence / sums.given.clamp_min(1)  # (K, C)
    tables = sum_over(view, lambda seen: _joints(seen, threshold, num_annotators))  # (A + 2, K, C, C)
    return tables[:-1], tables[-1], sums


def sum_over(view: TrainingView, table: Callable[[Seen], Tensor]) -> Tensor:
    """Add a table up over the training set and the processes: one pass; each process sees a batch at least."""
    total = None
    for seen in view:
        part = table(seen)
        total = part if total is None else total + part
    assert total is not None  # a training has a batch for each process
    return view.gather(total)


def _class_sums(seen: Seen) -> Tensor:
    target, probs = as_problems(seen.batch.target), as_problems(seen.probs)  # (B, K, C, H, W)
    drawn = hardened(target)
    counts = (seen.batch.weight > 0)[:, None, None]  # (B, 1, 1, H, W)
    each = torch.stack([(term * counts).sum(dim=(-2, -1)) for term in (drawn, drawn * probs, probs)])  # (3, B, K, C)
    noisy, (given, _, predicted) = each[:, ~seen.batch.clean].sum(dim=1), each[:, seen.batch.clean]
    present = (given > 0).float()
    terms = (given, predicted, present, given * given, given * predicted, predicted * predicted)
    return torch.cat([noisy, torch.stack([(term * present).sum(dim=0) for term in terms])])  # (9, K, C)


def _joints(seen: Seen, threshold: Tensor, num_annotators: int) -> Tensor:
    """Give the counts of each annotator, of all samples not known to be clean, and of clean ones."""
    batch = seen.batch
    each = torch.stack(
        [
            confident_joint(seen.probs[i : i + 1], batch.target[i : i + 1], batch.weight[i : i + 1] > 0, threshold)
            for i in range(len(batch.index))
        ]
    )  # (B, K, C, C)
    known = ~batch.clean & (batch.annotator >= 0) & (batch.annotator < num_annotators)
    tables = each.new_zeros(num_annotators, *each.shape[1:])
    tables.index_add_(0, batch.annotator[known], each[known])
    return torch.cat([tables, each[~batch.clean].sum(0, keepdim=True), each[batch.clean].sum(0, keepdim=True)])


def confident_joint(probs: Tensor, target: Tensor, counts: Tensor, threshold: Tensor) -> Tensor:
    """Count pixels of label i of which class j is confidently believed (Northcutt et al. 2021, eq. 1).

    Believed is the likeliest of the classes whose probability reaches their threshold; a pixel without one counts
    nowhere.

    Args:
        probs: (B, C, H, W) or (B, K, 2, H, W).
        target: of the same shape; soft labels count as their likeliest class.
        counts: (B, H, W) bool, the pixels to look at.
        threshold: (K, C), the mean probability of each class over the pixels labelled so.

    Returns:
        (K, C given, C believed).
    """
    probs, target = as_problems(probs), as_problems(target)
    num_problems, num_classes = threshold.shape
    sure = torch.where(probs >= threshold[..., None, None], probs, 0.0)  # (B, K, C, H, W)
    confidence, believed = sure.max(CLASS_AXIS)  # (B, K, H, W)
    problem = torch.arange(num_problems, device=probs.device).view(-1, 1, 1)
    cell = (problem * num_classes + target.argmax(CLASS_AXIS)) * num_classes + believed  # (B, K, H, W)
    counted = (confidence > 0) & counts.unsqueeze(1)
    joint = torch.bincount(cell.flatten(), counted.flatten().float(), minlength=num_problems * num_classes**2)
    return joint.view(num_problems, num_classes, num_classes)


def disagreement_rates(joint: Tensor) -> Tensor:
    """Give the share of each class's labels of which another class is confidently believed, (K, C) in [0, 1/2].

    A share above a half says that the network has not learned the class, not that most labels are wrong: it is 0.

    Args:
        joint: (K, C given, C believed).
    """
    right = joint.diagonal(dim1=-2, dim2=-1)
    rates = 1 - right / joint.sum(dim=-1).clamp_min(1)
    return torch.where((rates > 0.5) | (joint.sum(dim=-1) == 0), 0.0, rates)


def area_rates(sums: ClassSums) -> Tensor:
    """Give the share of each class's labels that lie outside its true area in common, (K, C) in [0, 1/2].

    The network's area on clean samples over their true area says how much too large it predicts a class. Part of
    that is its own: its area on the other samples over the given area. The rest it has learned from the labels. The
    ratio is taken less one standard error (Cochran 1977, eq. 6.13), so that chance is no rate; a class that is drawn
    too small gives 0, as none of its labels is wrong, and so does one in fewer than two clean samples.
    """
    learned = sums.clean_predicted / sums.clean_given.clamp_min(1)  # (K, C)
    own = sums.predicted / sums.given.clamp_min(1)
    residual = sums.predicted_predicted - 2 * learned * sums.given_predicted + learned**2 * sums.given_given
    spread = (residual.clamp_min(0) * sums.num_clean / (sums.num_clean - 1).clamp_min(1)).sqrt()
    least = learned - spread / sums.clean_given.clamp_min(1)
    known = (sums.num_clean >= 2) & (own > 0)
    excess = torch.where(known, least / torch.where(known, own, 1.0), 1.0)  # area of the labels over the true area
    return (1 - 1 / excess.clamp_min(1.0)).clamp_max(0.5)
