"""What a data set is: splits, each a source that reads one sample at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from segtrain.errors import ConfigError
from segtrain.types import IGNORE, Samples

__all__ = ["DataSet", "Item", "Source"]


class Item(NamedTuple):
    """One sample as it is stored, before any framing or augmentation."""

    image: np.ndarray
    """(H, W, D) uint8, uint16 or float32."""
    label: Any
    """(H, W) uint8 class numbers, `IGNORE` where ignored; overlapping classes: (K, H, W) uint8, each plane 0, 1 or
    `IGNORE`; of a set of instances: `Instances`. None for an unlabelled sample."""


class Source(Protocol):
    """One split of a data set. Reading is random access, repeatable, and safe in worker processes (fork and spawn)."""

    @property
    def ids(self) -> list[str]:
        """A name for each sample, unique in the split and fit for a file's name."""

    @property
    def samples(self) -> Samples: ...

    @property
    def reference_names(self) -> list[str]:
        """Which other masks exist, such as "clean" or "expert"."""

    @property
    def annotation_names(self) -> list[str]:
        """Whose masks `annotations` may give, beside the label: several annotators of the same images."""

    @property
    def annotators(self) -> list[str]:
        """Who drew the labels, by their numbers in `samples`."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Item: ...

    def references(self, index: int) -> dict[str, Any]:
        """Give the other masks of this sample, in the form of its label; a missing one is left out."""

    def annotations(self, index: int) -> dict[str, Any]:
        """Give this sample's masks by several annotators, in the form of its label; a missing one is left out."""

    def fingerprint(self) -> str:
        """Give a hash that changes when the split's files (names, sizes, times) or settings change."""


@dataclass(kw_only=True)
class DataSet(ABC):
    """What every data set says of itself; a final class adds where its images and masks come from.

    Args:
        classes: names, in the order of the class numbers. A class named "background" is left out of mean metrics.
        labels: "exclusive": a pixel has one class. "overlapping": each class is a mask of its own.
        channels: image channels given to the model; grey images repeat to 3, other mismatches are faults.
        size: side in pixels of the square the model is trained on, a multiple of 32.
        fit: "crop": a random window of `size` at the image's own scale, evaluated by sliding window.
            "resize": the whole image, its longer side scaled to `size`; metrics are still taken at full scale.
        batch_size: images in a training step, per device.
        clean_per_batch: how many of these are clean, in every batch of every device, below batch_size; the
            strategy's sample weights then decide among the clean ones and among the others. 0 = as they come.
        num_workers: processes that read and augment, per device; 0 = the main process.
        cache: keep decoded samples in each worker's memory (small data sets only).
    """

    instances: ClassVar[bool] = False
    """Whether a label is `Instances`, objects one by one, and not a class for each pixel."""

    classes: list[str]
    labels: Literal["exclusive", "overlapping"] = "exclusive"
    channels: int = 3
    size: int = 256
    fit: Literal["crop", "resize"] = "crop"
    batch_size: int = 8
    clean_per_batch: int = 0
    num_workers: int = 2
    cache: bool = False

    def __post_init__(self) -> None:
        name = type(self).__name__
        faults = []
        if not 1 <= len(self.classes) <= IGNORE or (self.labels == "exclusive" and len(self.classes) < 2):
            faults.append(f"The 'classes' of {name} must be 2 to {IGNORE} names, got {list(self.classes)}")
        if len(set(self.classes)) < len(self.classes):
            faults.append(f"The 'classes' of {name} must differ, got {list(self.classes)}")
        if self.size < 32 or self.size % 32:
            faults.append(f"The 'size' of {name} must be a multiple of 32 pixels, got {self.size}")
        for key, least in (("channels", 1), ("batch_size", 1), ("clean_per_batch", 0), ("num_workers", 0)):
            if getattr(self, key) < least:
                faults.append(f"The '{key}' of {name} must be at least {least}, got {getattr(self, key)}")
        if faults:
            raise ConfigError("the data cannot be set up:", faults)

    @property
    def overlapping(self) -> bool:
        return self.labels == "overlapping"

    @property
    def folders(self) -> list[Path]:
        """The folders that it searches with all that is in them: whoever writes there changes the data."""
        return []

    @abstractmethod
    def splits(self) -> Mapping[str, Source]:
        """Give the sources "train", "val" and "test".

        Raises:
            DataError: files are missing or a row makes no sense; every fault is listed.
        """
