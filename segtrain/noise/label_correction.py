"""label_correction: find the wrong regions of noisy labels while training, and rewrite them."""

import copy
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from segtrain.audit.evidence import Evidence, Look
from segtrain.audit.issue import apply_issues
from segtrain.audit.judge import Judge
from segtrain.errors import ConfigError
from segtrain.models import features_of
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.types import CLASS_AXIS, IGNORE, Batch, Samples, Seen, TrainingView, one_hot

__all__ = ["LabelCorrection"]


class LabelCorrection(NoiseStrategy):
    """Rewrite the regions of noisy labels that the evidence speaks against, at a few moments of the training.

    At each of these moments every noisy label is compared, object by object, with what the model predicts without
    augmentation: objects that are missing, extra or of another class, outlines that lie beside the object's. A
    region whose score reaches the threshold takes the predicted class. The evidence is that of the audit: how little
    the model believes the label, off-diagonal pixels of the confident joint (Northcutt et al. 2021), clusters of a
    layer's features. The model learns the labels that it judges, so the first moment is to come before it knows them
    by heart (Arpit et al. 2017); an audit outside the training judges out of sample. Clean labels are never
    rewritten. With several processes the evidence of each learns from its own share of the samples.

    Costs: two inference passes over the training set at each moment, and one more where features are compared.

    Args:
        epochs: of the training.
        num_classes: C, or K overlapping ones.
        evidence: name -> what is asked.
        weights: of the evidence, see `combine`; 1 where none is given.
        at: the moments, as shares of the epochs, each in (0, 1).
        least_score: regions below it stay as they are, in [0, 1].
        tolerance: pixels that an outline may be off, at least 0.
        layer: whose features are compared.
    """

    sides = frozenset({"pixels"})

    def __init__(
        self,
        epochs: int,
        num_classes: int,
        evidence: Mapping[str, Evidence],
        weights: Mapping[str, float] | None = None,
        at: Sequence[float] = (0.4, 0.6, 0.8),
        least_score: float = 0.8,
        tolerance: float = 2.0,
        layer: str = "decoder",
    ) -> None:
        super().__init__()
        needs = {field for part in evidence.values() for field in part.needs} - {"features"}
        faults = argument_faults(
            "LabelCorrection",
            ("epochs", epochs, epochs >= 1, "at least 1"),
            ("evidence", list(evidence), bool(evidence), "at least one"),
            ("evidence", sorted(needs), not needs, "one that needs no more than predictions and features"),
            ("at", list(at), bool(at) and all(0 < share < 1 for share in at), "shares of the epochs in (0, 1)"),
            ("least_score", least_score, 0 <= least_score <= 1, "in [0, 1]"),
            ("tolerance", tolerance, tolerance >= 0, "at least 0 pixels"),
            ("weights", dict(weights or {}), set(weights or {}) <= set(evidence), "of the evidence that is asked"),
        )
        if faults:
            raise ConfigError("noise.label_correction cannot be built:", faults)
        self.epochs = epochs
        self.num_classes = num_classes
        self.evidence = dict(evidence)
        self.weights = dict(weights or {})
        self.least_score = least_score
        self.tolerance = tolerance
        self.compares_features = any("features" in part.needs for part in evidence.values())
        self.moments = {min(max(1, round(share * epochs)), epochs - 1) for share in at}
        self.layer = layer
        self._model: list[nn.Module] = []  # in a list: the model is not this strategy's to save

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self._model = [model]

    def audit(self, view: TrainingView, epoch: int) -> None:
        if epoch not in self.moments:
            return
        evidence = copy.deepcopy(self.evidence)  # it learns anew each time, in a resumed training too
        for seen in view:
            for look in self._looks(seen):
                for part in evidence.values():
                    part.learn(look)
        for part in evidence.values():
            part.settle()
        judge = Judge(evidence, self.weights, self.tolerance, self.least_score)
        for seen in view:
            noisy = ~seen.batch.clean & seen.batch.labelled
            for row, look in enumerate(self._looks(seen)):
                if noisy[row]:
                    self._rewrite(view, seen, row, look, judge)

    def _looks(self, seen: Seen) -> Iterator[Look]:
        """Give each sample of a batch as the audit sees it, at the model's scale."""
        labels, probs = hard_labels(seen.batch), seen.probs.float().cpu().numpy()
        for row, label in enumerate(labels):
            features = None
            if self.compares_features:
                features = features_of(self._model[0], seen.batch.image[row : row + 1], self.layer)
            image = seen.batch.image[row].movedim(0, -1).cpu().numpy()  # (H, W, D)
            yield Look(image, label, probs[row], features=features, clean=bool(seen.batch.clean[row]))

    def _rewrite(self, view: TrainingView, seen: Seen, row: int, look: Look, judge: Judge) -> None:
        """Give a sample the predicted classes where the evidence speaks against its label."""
        predicted = look.probs.argmax(axis=CLASS_AXIS).astype(np.uint8)
        issues = judge(look, predicted)
        if not issues:
            return
        mended = torch.from_numpy(apply_issues(look.label, predicted, issues)).to(seen.probs.device)
        target = one_hot(mended, seen.probs.shape[CLASS_AXIS])
        changed = (mended != torch.from_numpy(look.label).to(mended.device)).unsqueeze(CLASS_AXIS)
        target = torch.where(changed, target, seen.batch.target[row])  # elsewhere a soft label stays soft
        view.relabel(int(seen.batch.index[row]), target, seen.batch.weight[row])


def hard_labels(batch: Batch) -> np.ndarray:
    """Give a batch's labels as class numbers, (B, H, W), or planes of 0 and 1, (B, K, H, W), `IGNORE` where ignored."""
    labels = batch.target.argmax(dim=CLASS_AXIS).byte()
    ignored = batch.weight == 0
    return labels.masked_fill(ignored if labels.dim() == 3 else ignored[:, None], IGNORE).cpu().numpy()
