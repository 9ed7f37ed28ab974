"""Labels spread over regions where they agree; given ones stay, and nothing is made up."""

import numpy as np
import pytest
import torch

from segtrain.data.proposals import ProposedSource, RegionProposals, propose
from segtrain.data.source import Item
from segtrain.errors import ConfigError
from segtrain.types import IGNORE, Samples

REGIONS = np.repeat(np.arange(4), 6)[None].repeat(5, axis=0)  # four upright stripes, 6 pixels wide


def scribbled() -> np.ndarray:
    """Stripe 0 is marked as 1, stripe 1 as 0, stripe 2 half and half, stripe 3 by one pixel."""
    label = np.full(REGIONS.shape, IGNORE, np.uint8)
    label[2, :6], label[2, 6:12] = 1, 0
    label[0, 12:18], label[1, 12:18] = 0, 1
    label[3, 20] = 1
    return label


def test_a_region_takes_the_class_that_its_labels_agree_on() -> None:
    label = scribbled()
    found = propose(label, REGIONS, 0.9, 3)
    assert (found[:, :6] == 1).all()
    assert (found[:, 6:12] == 0).all()
    known = label != IGNORE
    assert np.array_equal(found[known], label[known])
    assert (found[:, 12:][~known[:, 12:]] == IGNORE).all()  # they disagree; there are too few
    assert (propose(label, REGIONS, 0.9, 1)[:, 18:] == 1).all()
    assert (label == scribbled()).all()


def test_without_any_label_nothing_is_made_up() -> None:
    nothing = np.full(REGIONS.shape, IGNORE, np.uint8)
    assert (propose(nothing, REGIONS, 0.9, 1) == IGNORE).all()


class Scribbles:
    """A noisy sample, a clean one, one without a mask, and one of overlapping classes."""

    def __init__(self) -> None:
        self.ids = ["noisy", "clean", "none", "planes"]
        self.reference_names = self.annotation_names = self.annotators = []
        clean, labelled = torch.tensor([[False, True, False, False], [True, True, False, True]])
        self.samples = Samples(clean, labelled, torch.full((4,), -1), torch.full((4,), -1))

    def __len__(self) -> int:
        return 4

    def read(self, index: int) -> Item:
        label = {2: None, 3: np.stack([scribbled(), scribbled()])}.get(index, scribbled())
        return Item(REGIONS[..., None].astype(np.uint8), label)

    def references(self, index: int) -> dict[str, np.ndarray]:
        return {"index": np.array(index)}

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        return {}

    def fingerprint(self) -> str:
        return "scribbles"


class Stripes:
    """A segmenter that knows the regions."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return image[..., 0].astype(np.int32)


def test_noisy_labels_spread_and_clean_ones_stay() -> None:
    source = ProposedSource(Scribbles(), RegionProposals(segmenter=Stripes(), min_labelled=3))
    expected = propose(scribbled(), REGIONS, 0.9, 3)
    assert np.array_equal(source.read(0).label, expected)
    assert np.array_equal(source.read(1).label, scribbled())
    assert source.read(2).label is None
    assert np.array_equal(source.read(3).label, np.stack([expected, expected]))
    assert source.ids == Scribbles().ids
    assert source.references(1) == {"index": np.array(1)}


def test_other_settings_are_another_data_set() -> None:
    prints = {
        ProposedSource(Scribbles(), RegionProposals(segmenter=Stripes(), min_labelled=least)).fingerprint()
        for least in (1, 2, 1)
    }
    assert len(prints) == 2
    assert "scribbles" not in prints


def test_bad_values_are_all_told() -> None:
    with pytest.raises(ConfigError) as caught:
        RegionProposals(segmenter=Stripes(), agreement=0.5, min_labelled=0)
    assert len(caught.value.faults) == 2
