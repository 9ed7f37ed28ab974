"""Images that are the same, or nearly the same, as one already seen."""

from typing import NamedTuple

import numpy as np

from segtrain.data.examine import Finding

__all__ = ["NearTwins", "Seen", "Twins"]

BLOCK = 256
"""Sketches compared at a time."""


class Seen(NamedTuple):
    """Where an image was seen."""

    split: str
    id: str
    file: str


class Twins:
    """Finds images that are the same pixel for pixel; it keeps 16 bytes of each."""

    def __init__(self) -> None:
        self._seen: dict[bytes, Seen] = {}

    def add(self, split: str, finding: Finding) -> Seen | None:
        """Give an earlier image with the same pixels, unless it is the same file."""
        if not finding.digest:
            return None
        first = self._seen.setdefault(finding.digest, Seen(split, finding.id, finding.file))
        return None if (first.split, first.file) == (split, finding.file) else first


class NearTwins:
    """Finds images of different splits that look nearly the same; it keeps a sketch of 1 kB of each.

    Args:
        least: correlation of two sketches from which on images are named, in [0, 1].
    """

    def __init__(self, least: float = 0.98) -> None:
        self.least = least
        self._seen: dict[str, list[Seen]] = {}
        self._sketches: dict[str, list[np.ndarray]] = {}

    def add(self, split: str, finding: Finding) -> None:
        """Take in an image, once for all of its samples."""
        seen = self._seen.setdefault(split, [])
        if finding.sketch is not None and (not seen or seen[-1].file != finding.file):
            seen.append(Seen(split, finding.id, finding.file))
            self._sketches.setdefault(split, []).append(finding.sketch.ravel())

    def pairs(self) -> list[tuple[float, Seen, Seen]]:
        """Give each image's nearest one of an earlier split with their correlation, the nearest pairs first."""
        found = []
        for place, split in enumerate(self._sketches):
            for other in list(self._sketches)[:place]:
                earlier, later = (np.stack(self._sketches[name]) for name in (other, split))  # (N, 256), (M, 256)
                for first in range(0, len(later), BLOCK):
                    alike = earlier @ later[first : first + BLOCK].T  # (N, block)
                    nearest = alike.argmax(axis=0)
                    best = np.take_along_axis(alike, nearest[None], axis=0)[0]
                    for column in np.flatnonzero(best >= self.least).tolist():
                        pair = self._seen[other][nearest[column]], self._seen[split][first + column]
                        found.append((float(best[column]), *pair))
        return sorted(found, key=lambda pair: -pair[0])
