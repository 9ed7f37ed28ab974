"""What a validation or test step gives for one image, and how it is shown."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from torch import Tensor

from segtrain.instances import Instances
from segtrain.picture import class_colours, rgb
from segtrain.types import CLASS_AXIS, IGNORE

__all__ = ["Panel", "Prediction", "coloured", "label_of"]

# A dark grey first, as class 0 is mostly background; the last is for ignored pixels.
_COLOURS = np.array(
    [(68, 68, 68), *(rgb(colour) for colour in class_colours([str(c) for c in range(1, IGNORE)])), (255, 255, 255)],
    np.uint8,
)  # (256, 3)
_WRONG = _COLOURS[2]


class Prediction(NamedTuple):
    """One image of validation or test at its own size, with what was predicted for it."""

    id: str
    image: np.ndarray
    """(H, W, D) as stored."""
    label: np.ndarray
    """(H, W) or (K, H, W) uint8; `IGNORE` where ignored."""
    references: dict[str, np.ndarray]
    """The other masks there are, each in the form of the label."""
    probs: Tensor
    """(C, H, W) or (K, 2, H, W) float, on the device it was made on."""
    instances: Mapping[str, Instances] = MappingProxyType({})
    """What label and references were rendered from, see `segtrain.data.sample.Case`; mostly nothing."""


class Panel(NamedTuple):
    """One image as people look at it while a training runs."""

    name: str
    image: np.ndarray
    """(H, W, 3) uint8."""
    label: np.ndarray
    """(H, W) or (K, H, W) uint8."""
    prediction: np.ndarray
    """Like the label."""
    classes: list[str]
    weight: np.ndarray | None = None
    """(H, W) float in [0, 1]; None where there is none."""

    @property
    def errors(self) -> np.ndarray:
        """(H, W) bool: a class is wrong, and was not to be ignored."""
        wrong = (self.label != self.prediction) & (self.label != IGNORE)
        return wrong if wrong.ndim == 2 else wrong.any(axis=0)

    def strip(self) -> np.ndarray:
        """Put image, label, prediction, errors and, where there is one, weight side by side: (H, W', 3) uint8."""
        errors = np.where(self.errors[..., None], _WRONG, np.uint8(0))
        errors[_ignored(self.label)] = _COLOURS[0]
        parts = [self.image, coloured(self.label), coloured(self.prediction), errors]
        if self.weight is not None:
            grey = np.rint(self.weight.clip(0, 1) * 255).astype(np.uint8)
            parts.append(np.repeat(grey[..., None], 3, axis=2))
        gap = np.full((self.image.shape[0], 2, 3), 255, np.uint8)
        return np.concatenate([piece for part in parts for piece in (part, gap)][:-1], axis=1)


def label_of(probs: Tensor) -> Tensor:
    """Give the likeliest class numbers: (..., C, H, W) -> (..., H, W) uint8; the two of an overlapping class, too."""
    return probs.argmax(dim=CLASS_AXIS).byte()


def coloured(label: np.ndarray) -> np.ndarray:
    """Colour class numbers (H, W), or overlapping masks (K, H, W), whose colours mix: (H, W, 3) uint8.

    >>> coloured(np.array([[0, 1, 255]], np.uint8))[0].tolist()
    [[68, 68, 68], [102, 204, 238], [255, 255, 255]]
    """
    if label.ndim == 2:
        return _COLOURS[label]
    inside = (label == 1).astype(np.float32)  # (K, H, W)
    mixed = (
        np.einsum("khw,kc->hwc", inside, _COLOURS[1 : 1 + len(label)]) / np.maximum(inside.sum(axis=0), 1)[..., None]
    )
    shown = np.where(inside.any(axis=0)[..., None], mixed, _COLOURS[0]).astype(np.uint8)  # (H, W, 3)
    return np.where(_ignored(label)[..., None], _COLOURS[IGNORE], shown)


def _ignored(label: np.ndarray) -> np.ndarray:
    """Where nothing is known: (H, W) bool."""
    ignored = label == IGNORE
    return ignored if ignored.ndim == 2 else ignored.all(axis=0)
