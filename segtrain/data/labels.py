"""Labels that a strategy rewrote: files in the run's folder, seen by workers, by a resumed run and by people."""

from pathlib import Path

import cv2
import numpy as np

from segtrain.types import CLASS_AXIS

__all__ = ["RevisedLabels", "SoftLabel"]


class SoftLabel:
    """A label as probabilities with a trust in each pixel.

    Args:
        probs: (C, H, W) or (K, 2, H, W) float16, sums to 1 over the class axis.
        weight: (H, W) uint8, 255 = full trust.
    """

    def __init__(self, probs: np.ndarray, weight: np.ndarray) -> None:
        self.probs = probs
        self.weight = weight


class RevisedLabels:
    """The folder `revised/`: `<revision>/<id>.npz` with probabilities and weight, and a PNG of the classes to look at.

    Nothing is ever overwritten by another revision: a run resumed from an older checkpoint asks for an older
    revision and finds it. A file is written beside its place and then renamed, so that a kill leaves no half file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, revision: int, sample_id: str) -> Path:
        return self.folder / f"{revision:04d}" / f"{sample_id}.npz"

    def __contains__(self, revision: int) -> bool:
        """Whether labels of this revision lie here; revision 0 are those as given."""
        return revision == 0 or (self.folder / f"{revision:04d}").is_dir()

    def write(self, revision: int, sample_id: str, label: SoftLabel) -> None:
        file = self._file(revision, sample_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez_compressed(part, probs=label.probs.astype(np.float16), weight=label.weight)
        part.replace(file)
        classes = label.probs.argmax(axis=CLASS_AXIS).astype(np.uint8)  # (H, W) or (K, H, W)
        cv2.imwrite(str(file.with_suffix(".png")), classes.reshape(-1, classes.shape[-1]))

    def read(self, revision: int, sample_id: str) -> SoftLabel | None:
        """Give the newest label of this sample that is not newer than `revision`; None if it was never rewritten."""
        for number in range(revision, 0, -1):
            file = self._file(number, sample_id)
            if file.exists():
                with np.load(file) as stored:
                    return SoftLabel(stored["probs"], stored["weight"])
        return None
