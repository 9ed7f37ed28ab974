"""The embedded data set: repeatable, its truth known, its annotator as bad as stated, and not too easy."""

import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import instantiate
from skimage import filters, measure

from segtrain.data.corrupt import DropObject, SwapClass
from segtrain.data.synthetic import Synthetic
from segtrain.errors import ConfigError
from segtrain.models import UNetPlain
from segtrain.types import IGNORE

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "configs" / "data" / "synthetic.yaml").read_text())


def default():
    return instantiate(CONFIG, _convert_="all")


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.fixture(scope="module")
def train():
    source = default().splits()["train"]
    items = [source.read(index) for index in range(len(source))]
    truth = np.stack([source.references(index)["clean"] for index in range(len(source))])
    return source, np.stack([item.image for item in items]), np.stack([item.label for item in items]), truth


def test_the_config_lists_every_parameter_with_its_default():
    assert set(CONFIG) == {"_target_", *inspect.signature(Synthetic).parameters}
    plain = Synthetic()
    for key in set(CONFIG) - {"_target_", "label_noise"}:
        assert getattr(plain, key) == CONFIG[key]


def test_splits_are_as_long_as_asked_and_hold_different_pictures():
    splits = Synthetic(num_train=5, num_val=3, num_test=2).splits()
    assert {name: len(source) for name, source in splits.items()} == {"train": 5, "val": 3, "test": 2}
    ids = [name for source in splits.values() for name in source.ids]
    pictures = [source.read(index).image.tobytes() for source in splits.values() for index in range(len(source))]
    assert len(set(ids)) == len(set(pictures)) == 10


def test_form(train):
    source, images, labels, truth = train
    assert images.shape == (96, 96, 96, 1)
    assert labels.shape == truth.shape == (96, 96, 96)
    assert images.dtype == labels.dtype == truth.dtype == np.uint8
    assert set(np.unique(labels)) == set(np.unique(truth)) == {0, 1}
    assert source.reference_names == ["clean"]
    assert all(len(values) == 96 for values in source.samples)


def test_a_sample_hangs_on_seed_split_and_index_alone(train):
    _, images, labels, truth = train
    other = pickle.loads(pickle.dumps(default().splits()["train"]))  # a worker started by spawn
    for index in (17, 3, 90, 3):
        item = other.read(index)
        assert np.array_equal(item.image, images[index])
        assert np.array_equal(item.label, labels[index])
        assert np.array_equal(other.references(index)["clean"], truth[index])
    assert not np.array_equal(Synthetic(seed=1).splits()["train"].read(3).image, images[3])


def test_noise_and_length_leave_the_pictures_alone(train):
    _, images, _, truth = train
    quiet = Synthetic(num_train=10).splits()["train"].read(3)
    assert np.array_equal(quiet.image, images[3])
    assert np.array_equal(quiet.label, truth[3])


def test_the_annotator_is_biased_and_misses_cells(train):
    source, _, labels, truth = train
    noisy = ~source.samples.clean.numpy()
    assert 0.72 < dice(labels[noisy] > 0, truth[noisy] > 0) < 0.88
    assert labels[noisy].mean() / truth[noisy].mean() > 1.1
    found = []
    for label, true in zip(labels[noisy], truth[noisy], strict=True):
        found += [label[tuple(region.coords.T)].any() for region in measure.regionprops(measure.label(true))]
    assert 1 - np.mean(found) == pytest.approx(0.15, abs=0.06)
    quality = [dice(label > 0, true > 0) for label, true in zip(labels[noisy], truth[noisy], strict=True)]
    assert np.std(quality) > 0.04  # some samples are far better than others


@pytest.mark.parametrize("fraction", [0.0, 0.0625, 0.1, 0.3, 1.0])
def test_exactly_the_stated_share_is_clean(fraction):
    noise = DropObject(rate=1.0)
    splits = Synthetic(num_train=50, num_val=10, clean_fraction=fraction, label_noise=noise).splits()
    clean = splits["train"].samples.clean.numpy()
    assert clean.sum() == int(50 * fraction + 1e-9)
    for index in range(0, 50, 7):
        assert splits["train"].read(index).label.any() == clean[index]
    assert not splits["val"].samples.clean.any()


def test_every_split_is_annotated_alike():
    for name, source in Synthetic(label_noise=DropObject(rate=1.0), clean_fraction=0).splits().items():
        assert not source.read(0).label.any(), name
        assert source.references(0)["clean"].any(), name


def test_brightness_alone_does_not_find_the_cells(train):
    """Otsu's threshold of each picture; blurs, specks and uneven light must mislead it."""
    _, images, _, truth = train
    found = np.stack([image[..., 0] > filters.threshold_otsu(image) for image in images])
    assert 0.3 < dice(found, truth > 0) < 0.75


def test_coverage_and_contrast(train):
    _, images, _, truth = train
    shares = truth.mean(axis=(1, 2))
    assert 0.15 < shares.mean() < 0.35
    assert shares.min() > 0
    assert 20 < images.mean() < 130
    assert (images == 255).mean() < 0.02


def test_further_classes_are_kinds_of_cells_from_round_to_spindle():
    source = Synthetic(classes=["background", "round", "spindle"], coverage=0.15, num_train=60).splits()["train"]
    slenderness = {1: [], 2: []}
    for index in range(len(source)):
        label = source.read(index).label
        for region in measure.regionprops(measure.label(label)):
            inside = min(region.bbox[:2]) > 0 and max(region.bbox[2:]) < 96
            if inside and region.solidity > 0.93:  # whole, and alone
                kind = label[tuple(region.coords[0])]
                slenderness[kind].append(region.axis_major_length / region.axis_minor_length)
    assert min(len(values) for values in slenderness.values()) > 20
    assert np.median(slenderness[1]) < 1.5 < 2 < np.median(slenderness[2])


def test_overlapping_classes_keep_what_lies_under_another_cell():
    data = Synthetic(classes=["round", "spindle"], labels="overlapping", num_train=20, label_noise=SwapClass(rate=0.5))
    source = data.splits()["train"]
    both = 0
    for index in range(20):
        truth, label = source.references(index)["clean"], source.read(index).label
        assert truth.shape == label.shape == (2, 96, 96)
        assert set(np.unique(truth)) <= {0, 1}
        both += truth.all(axis=0).sum()
    assert both > 100
    assert not np.array_equal(source.read(1).label, source.references(1)["clean"])


@pytest.mark.parametrize("size", [32, 64, 160])
def test_sizes(size):
    item = Synthetic(size=size).splits()["test"].read(0)
    assert item.image.shape == (size, size, 1)
    assert item.label.shape == (size, size)
    assert IGNORE not in item.label


def test_the_fingerprint_knows_what_the_samples_hang_on():
    def print_of(**settings):
        return Synthetic(**settings).splits()["train"].fingerprint()

    assert print_of() == print_of(batch_size=3, num_workers=1, cache=False)
    others = [{"seed": 1}, {"size": 64}, {"label_noise": DropObject()}, {"clean_fraction": 0.5}, {"coverage": 0.2}]
    assert len({print_of(), *(print_of(**other) for other in others)}) == 6
    assert Synthetic().splits()["val"].fingerprint() != print_of()


def test_all_faults_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        Synthetic(num_val=0, coverage=2, cell_radius=[9, 3], clean_fraction=-1, seed=-1)
    assert len(caught.value.faults) == 5
    assert "The 'coverage' of Synthetic must be in (0, 0.8], got 2" in str(caught.value)


def test_swapping_the_only_class_of_cells_is_refused():
    with pytest.raises(ConfigError, match="at least 2 classes of objects, the data have 1"):
        Synthetic(label_noise=SwapClass())
    Synthetic(label_noise=SwapClass(), classes=["background", "round", "spindle"])


def trained_dice(images, labels, test_images, test_truth, steps=120):
    """A bare loop: a small U-Net, Dice loss, quarter turns; gives the Dice against the truth."""
    torch.manual_seed(0)
    model = UNetPlain(num_classes=2, in_channels=1, width=16, depth=3, norm="batch", dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(len(images), (8,))
        image, target = (torch.rot90(part[rows], step % 4, (-2, -1)) for part in (images, labels))
        probs = model(image).softmax(1)[:, 1]
        loss = 1 - (2 * (probs * target).sum() + 1) / (probs.sum() + target.sum() + 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        found = torch.cat([model(part).argmax(1) for part in test_images.split(8)]).bool()
    return dice(found.numpy(), test_truth)


@pytest.mark.slow
def test_the_truth_is_learnt_but_not_exhausted_and_the_noise_costs(train):
    def standard(images):
        values = torch.from_numpy(images[..., 0]).float()[:, None]
        return (values - values.mean((2, 3), keepdim=True)) / values.std((2, 3), keepdim=True)

    _, images, labels, truth = train
    source = default().splits()["test"]
    test_images = standard(np.stack([source.read(index).image for index in range(len(source))]))
    test_truth = np.stack([source.references(index)["clean"] for index in range(len(source))]) > 0
    clean, noisy = (
        trained_dice(standard(images), torch.from_numpy(masks).float(), test_images, test_truth)
        for masks in (truth, labels)
    )
    assert 0.80 < clean < 0.97
    assert clean - noisy > 0.04  # 0.05 is the mean of three seeds; this is one
