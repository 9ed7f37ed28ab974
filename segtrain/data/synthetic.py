"""The embedded data set: cells under a microscope, made on the fly, their true masks known beside the noisy ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import torch

from segtrain.data.cells import Cell, draw_cells, photograph
from segtrain.data.corrupt import Corruption, require_kinds
from segtrain.data.source import DataSet, Item, Source
from segtrain.errors import ConfigError
from segtrain.types import Samples

__all__ = ["Synthetic", "SyntheticSource"]


@dataclass(kw_only=True)
class Synthetic(DataSet):
    """Textured cells, touching and overlapping, in uneven light, with blurs, specks and fibres that are none.

    The given labels are those of a simulated annotator, in every split; the reference "clean" is the truth.
    Every sample follows from (seed, split, index) alone.

    Args:
        num_train: pictures to train on.
        num_val: pictures to validate on.
        num_test: pictures to test on.
        cell_radius: [smallest, largest] radius of a cell, in pixels.
        coverage: share of a picture that its cells cover, about, in (0, 0.8].
        label_noise: the simulated annotator; None: the given labels are the true ones.
        annotators: how many people draw each picture; with 2 or more, every sample has a mask by each of them beside
            its label, each with label noise of its own (one who is told apart by it keeps his habits).
        clean_fraction: share of the training samples that are flagged clean and are spared by noise, in [0, 1].
        seed: of the pictures and of the annotator; the training has its own.
    """

    classes: list[str] = field(default_factory=lambda: ["background", "cell"])
    channels: int = 1
    size: int = 96
    num_workers: int = 0
    cache: bool = True
    num_train: int = 96
    num_val: int = 32
    num_test: int = 48
    cell_radius: list[float] = field(default_factory=lambda: [5.0, 13.0])
    coverage: float = 0.3
    label_noise: Corruption | None = None
    annotators: int = 1
    clean_fraction: float = 0.0625
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        limits, name = self.cell_radius, type(self).__name__
        laws = {
            "num_train": (self.num_train >= 1, "at least 1"),
            "num_val": (self.num_val >= 1, "at least 1"),
            "num_test": (self.num_test >= 1, "at least 1"),
            "cell_radius": (len(limits) == 2 and 2 <= limits[0] <= limits[1], "[low, high] with 2 <= low <= high"),
            "coverage": (0 < self.coverage <= 0.8, "in (0, 0.8]"),
            "annotators": (self.annotators >= 1, "at least 1"),
            "clean_fraction": (0 <= self.clean_fraction <= 1, "in [0, 1]"),
            "seed": (self.seed >= 0, "at least 0"),
        }
        faults = [
            f"The '{key}' of {name} must be {law}, got {getattr(self, key)}"
            for key, (holds, law) in laws.items()
            if not holds
        ]
        if faults:
            raise ConfigError("the data cannot be set up:", faults)
        if self.label_noise is not None:
            require_kinds(self.label_noise, len(self.classes), self.overlapping)

    def splits(self) -> Mapping[str, Source]:
        return {split: SyntheticSource(self, split) for split in ("train", "val", "test")}


class SyntheticSource:
    """One split of `Synthetic`."""

    def __init__(self, data: Synthetic, split: str) -> None:
        self.data = data
        self.split = split
        numbers = np.arange(len(self))
        fraction = data.clean_fraction if split == "train" else 0.0
        # Evenly spread over the split, and exactly the share asked for.
        clean = np.floor((numbers + 1) * fraction + 1e-9) > np.floor(numbers * fraction + 1e-9)
        self.annotators = [f"a{number + 1}" for number in range(data.annotators)]
        self.annotation_names = self.annotators if data.annotators > 1 else []
        self.samples = Samples(
            clean=torch.from_numpy(clean),
            labelled=torch.ones(len(self), dtype=torch.bool),
            annotator=torch.tensor([self._who(index) for index in range(len(self))]),
            group=torch.full((len(self),), -1),
            annotations=torch.full((len(self),), len(self.annotation_names)),
        )
        self.ids = [f"{split}_{number:04d}" for number in numbers]

    @property
    def reference_names(self) -> list[str]:
        return ["clean"]

    def __len__(self) -> int:
        return {"train": self.data.num_train, "val": self.data.num_val, "test": self.data.num_test}[self.split]

    def read(self, index: int) -> Item:
        cells, rng = self._cells(index)
        label = self._label(cells)
        if not bool(self.samples.clean[index]):
            label = self._drawn(label, index, "annotator", int(self.samples.annotator[index]))
        return Item(photograph(cells, self.data.size, self.data.cell_radius, rng), label)

    def references(self, index: int) -> dict[str, np.ndarray]:
        cells, _ = self._cells(index)
        return {"clean": self._label(cells)}

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        label = self._label(self._cells(index)[0])
        names = enumerate(self.annotation_names)
        return {name: self._drawn(label, index, f"annotator {name}", number) for number, name in names}

    def fingerprint(self) -> str:
        loading = ("batch_size", "clean_per_batch", "num_workers", "cache")  # what no sample hangs on
        settings = {key: value for key, value in vars(self.data).items() if key not in loading}
        return blake2b(f"{self.split} {settings}".encode(), digest_size=16).hexdigest()

    def _rng(self, index: int, purpose: str) -> np.random.Generator:
        name = blake2b(f"{self.split} {index} {purpose}".encode(), digest_size=8).digest()
        return np.random.default_rng([self.data.seed, int.from_bytes(name, "little")])

    def _who(self, index: int) -> int:
        """Give the simulated annotator of a sample; -1 where they are not told apart."""
        number = self.data.label_noise.num_annotators if self.data.label_noise is not None else 0
        return int(self._rng(index, "who").integers(number)) if number else -1

    def _drawn(self, label: np.ndarray, index: int, purpose: str, annotator: int) -> np.ndarray:
        """Give a true label as it would have been drawn, the same for the same purpose."""
        noise = self.data.label_noise
        rng, who = self._rng(index, purpose), None if annotator < 0 else annotator
        return label if noise is None else noise(label, len(self.data.classes), rng, who)

    def _cells(self, index: int) -> tuple[list[Cell], np.random.Generator]:
        data, rng = self.data, self._rng(index, "picture")
        num_kinds = len(data.classes) - (not data.overlapping)
        return draw_cells(data.size, data.cell_radius, data.coverage, num_kinds, rng), rng

    def _label(self, cells: list[Cell]) -> np.ndarray:
        data = self.data
        if data.overlapping:
            planes = np.zeros((len(data.classes), data.size, data.size), np.uint8)  # (K, H, W)
            for cell in cells:
                planes[cell.kind][cell.window][cell.pixels] = 1
            return planes
        label = np.zeros((data.size, data.size), np.uint8)  # (H, W)
        for cell in cells:
            label[cell.window][cell.pixels] = cell.kind + 1
        return label
