"""Weak labels for pixels without one: a segmenter's regions take the class of what is labelled in them."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from segtrain.data.source import Item, Source
from segtrain.data.wrapped import WrappedSource
from segtrain.errors import ConfigError
from segtrain.types import IGNORE, Segmenter

__all__ = ["ProposedSource", "RegionProposals", "propose"]


@dataclass(kw_only=True)
class RegionProposals:
    """Spread labels over regions: scribbles, points or unfinished masks become masks (as in Lin et al. 2016).

    The labels that are given stay. A region takes the class of its labelled pixels where there are enough of them and
    they agree; elsewhere pixels stay ignored. Clean samples are left as they are, and so are samples without any mask.

    Args:
        segmenter: image -> regions; it runs each time that a sample is read, so keep small data in memory (data.cache).
        agreement: share of a region's labelled pixels that must bear its class, in (0.5, 1].
        min_labelled: pixels of a region that must be labelled, >= 1.

    Raises:
        ConfigError: a value is out of its range.
    """

    segmenter: Segmenter
    agreement: float = 0.9
    min_labelled: int = 5

    def __post_init__(self) -> None:
        faults = []
        if not 0.5 < self.agreement <= 1:
            faults.append(f"The 'agreement' of RegionProposals must be in (0.5, 1], got {self.agreement}")
        if self.min_labelled < 1:
            faults.append(f"The 'min_labelled' of RegionProposals must be at least 1 pixel, got {self.min_labelled}")
        if faults:
            raise ConfigError("proposals cannot be built:", faults)

    def training(self, source: Source) -> Source:
        """Give the source to train on."""
        return ProposedSource(source, self)


class ProposedSource(WrappedSource):
    """Wraps a source: ignored pixels of noisy labels take what their region bears.

    Args:
        source: where images and labels come from.
        proposals: how labels spread.
    """

    def __init__(self, source: Source, proposals: RegionProposals) -> None:
        super().__init__(source)
        self.proposals = proposals

    def read(self, index: int) -> Item:
        image, label = self.source.read(index)
        if label is None or bool(self.source.samples.clean[index]) or not (label == IGNORE).any():
            return Item(image, label)
        regions = self.proposals.segmenter(image)
        planes = label[None] if label.ndim == 2 else label
        spread = [propose(plane, regions, self.proposals.agreement, self.proposals.min_labelled) for plane in planes]
        return Item(image, np.stack(spread).reshape(label.shape))

    def fingerprint(self) -> str:
        settings = {**vars(self.proposals), "segmenter": vars(self.proposals.segmenter)}
        return blake2b(f"{self.source.fingerprint()} {settings}".encode(), digest_size=16).hexdigest()


def propose(label: np.ndarray, regions: np.ndarray, agreement: float, min_labelled: int) -> np.ndarray:
    """Label the ignored pixels of each region whose labelled ones agree.

    Args:
        label: (H, W) uint8, `IGNORE` where there is none; left as it is.
        regions: (H, W) int, 0..k-1.
        agreement: share of a region's labelled pixels that must bear its class.
        min_labelled: pixels that must be labelled.

    Returns:
        (H, W) uint8.
    """
    known = label != IGNORE
    if not known.any():
        return label.copy()
    count = int(label[known].max()) + 1
    pairs = regions[known].astype(np.int64) * count + label[known]
    votes = np.bincount(pairs, minlength=(int(regions.max()) + 1) * count).reshape(-1, count)  # (k, C)
    total = votes.sum(axis=1)
    agreed = (total >= min_labelled) & (votes.max(axis=1) >= agreement * total)
    proposal = np.where(agreed, votes.argmax(axis=1), IGNORE).astype(np.uint8)
    return np.where(known, label, proposal[regions])
