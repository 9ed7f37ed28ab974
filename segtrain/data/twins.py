"""Images that are the same, or nearly the same, as one already seen."""

from typing import NamedTuple

import numpy as np

from segtrain.data.examine import Finding

__all__ = ["NearTwins", "Seen", "Twins"]


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
                earlier = np.stack(self._sketches[other])  # (N, 256)
                for seen, sketch in zip(self._seen[split], self._sketches[split], strict=True):
                    alike = earlier @ sketch  # (N,)
                    nearest = int(alike.argmax())
                    if alike[nearest] >= self.least:
                        found.append((float(alike[nearest]), self._seen[other][nearest], seen))
        return sorted(found, key=lambda pair: -pair[0])
