"""Superpixels are scikit-image's, in connected pieces."""

import numpy as np
import pytest
from skimage.data import astronaut
from skimage.segmentation import felzenszwalb, slic

from segtrain.classic import Felzenszwalb, Slic
from segtrain.errors import ConfigError


@pytest.fixture(scope="module")
def picture():
    return astronaut()[100:190, 170:290]


def agreement(one, other):
    """Share of pixels in each region's largest common part."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    return table.max(1).sum() / one.size


def test_slic_is_scikit_images(picture):
    label = Slic(num_segments=60, min_area=1)(picture)
    theirs = slic(picture, n_segments=60, compactness=10, start_label=0)  # in its own Lab, a rounding away
    assert abs(label.max() - theirs.max()) <= 5
    assert agreement(label, theirs) > 0.95


def test_felzenszwalb_is_scikit_images(picture):
    label = Felzenszwalb(scale=200, min_area=50)(picture)
    theirs = felzenszwalb(picture, scale=200, sigma=0.8, min_size=50)
    assert agreement(theirs, label) > 0.97
    assert agreement(label, theirs) > 0.97


def test_alike_pieces_join_where_asked(picture):
    apart, joined = (Slic(num_segments=60, merge=merge)(picture).max() for merge in (0.0, 15.0))
    assert joined < apart / 2
    apart, joined = (Felzenszwalb(scale=50, min_area=20, merge=merge)(picture).max() for merge in (0.0, 15.0))
    assert joined < apart


def test_all_bad_values_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        Slic(num_segments=0, compactness=0, sigma=-1, merge=-1, min_area=0)
    assert len(caught.value.faults) == 5
    with pytest.raises(ConfigError) as caught:
        Felzenszwalb(scale=0, sigma=-1, merge=-1, min_area=0)
    assert "The 'scale' of Felzenszwalb must be above 0, got 0" in str(caught.value)
