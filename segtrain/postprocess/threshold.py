"""Decide by thresholds instead of by the largest probability."""

import numpy as np

from segtrain.errors import ConfigError
from segtrain.postprocess.decision import agree

__all__ = ["Threshold"]


class Threshold:
    """Give a pixel to a class only where the class's probability p reaches its threshold t.

    Of the classes that reach theirs, the one with the largest p / t wins; where none does, the background. With two
    classes: foreground wherever p >= t. Without a background the largest p / t wins everywhere, so that a class
    with a low threshold is favoured, and one threshold for all changes nothing.

    Overlapping classes are decided one by one: `threshold` holds for each, and `per_class` can name one only.

    Args:
        threshold: for every class but the background, in (0, 1].
        per_class: in place of `threshold`, one for each class but the background, in the order of the class numbers.
        background: number of the class that needs no threshold; None = every class has one.

    Raises:
        ConfigError: a value is out of its range; or, when called, the classes are not those of the probabilities.
    """

    idempotent = True

    def __init__(
        self, threshold: float = 0.5, per_class: list[float] | None = None, background: int | None = 0
    ) -> None:
        named = [("threshold", threshold), *(("per_class", t) for t in per_class or [])]
        faults = [f"The '{key}' of Threshold must be in (0, 1], got {t}" for key, t in named if not 0 < t <= 1]
        if background is not None and background < 0:
            faults.append(f"The 'background' of Threshold must be a class number, 0 or more, got {background}")
        if faults:
            raise ConfigError("postprocess.threshold cannot be built:", faults)
        self.threshold = threshold
        self.per_class = per_class
        self.background = background

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Decide again: `probs` (C, H, W) float32 -> (C, H, W) float32; the image is not looked at."""
        foreground = self._foreground(len(probs))
        limits = np.array(self.per_class or [self.threshold] * len(foreground), np.float32)  # (F,)
        limits = limits.reshape(-1, 1, 1)
        shares = probs[foreground] / limits  # (F, H, W)
        mask = np.array(foreground)[shares.argmax(0)]  # (H, W)
        if self.background is not None:
            reached = (probs[foreground] >= limits).any(0)  # (H, W)
            mask = np.where(reached, mask, self.background)
        return agree(probs, mask)

    def _foreground(self, num_classes: int) -> list[int]:
        """Give the numbers of the classes that have a threshold."""
        if self.background is not None and self.background >= num_classes:
            raise ConfigError(
                f"The 'background' of Threshold must be one of the {num_classes} classes, got {self.background}"
            )
        foreground = [c for c in range(num_classes) if c != self.background]
        if self.per_class and len(self.per_class) != len(foreground):
            raise ConfigError(
                f"The 'per_class' of Threshold must have {len(foreground)} numbers, one for each class but the "
                f"background, got {len(self.per_class)}"
            )
        return foreground
