"""Frames: any size, depth and dtype becomes the square to train on; masks stay on their pixels."""

import numpy as np
import pytest
from PIL import Image

from segtrain.data.frame import crop, evaluation_frame, pad, resize, training_frame
from segtrain.errors import ConfigError
from segtrain.types import IGNORE

SIZES = [(24, 24), (24, 200), (300, 31), (64, 64), (65, 63), (500, 400)]
KINDS = [(np.uint8, 1), (np.uint8, 3), (np.uint16, 2), (np.uint16, 5), (np.float32, 4), (np.float32, 12)]


def picture(height, width, depth=1, dtype=np.uint8):
    """Each pixel says where it is: its row in the first channel, its column in the last."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows if channel == 0 else columns + channel for channel in range(depth)], axis=-1)
    return (image % 250 if dtype == np.uint8 else image).astype(dtype)


@pytest.mark.parametrize("fit", ["crop", "resize"])
@pytest.mark.parametrize(("dtype", "depth"), KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_training_frames_are_squares_of_the_same_kind(size, dtype, depth, fit):
    image = picture(*size, depth, dtype)
    masks = [np.ones(size, np.uint8), np.ones((3, *size), np.uint8)]
    framed, (flat, stack) = training_frame(image, masks, size=64, fit=fit, rng=np.random.default_rng(0))
    assert framed.shape == (64, 64, depth)
    assert framed.dtype == dtype
    assert flat.shape == (64, 64)
    assert stack.shape == (3, 64, 64)
    assert flat.dtype == stack.dtype == np.uint8
    assert set(np.unique(flat)) <= {1, IGNORE}
    assert all(np.array_equal(plane, flat) for plane in stack)


@pytest.mark.parametrize("size", [(24, 24), (20, 90), (90, 20), (1, 1), (1, 100)])
def test_what_is_missing_is_mirrored_and_ignored(size):
    image, mask = picture(*size), np.ones(size, np.uint8)
    framed, (label,) = training_frame(image, [mask], size=64, fit="crop", rng=np.random.default_rng(1))
    shown = np.argwhere(label == 1)
    assert len(shown) == min(64, size[0]) * min(64, size[1])
    assert (label[label != 1] == IGNORE).all()
    top, left = shown.min(axis=0)
    rows = framed[top : shown[-1][0] + 1, left, 0]
    assert np.array_equal(np.diff(rows), np.ones(len(rows) - 1))  # the picture itself, row by row
    if size[0] > 1 and top > 0:
        assert framed[top - 1, left, 0] == rows[1]  # mirrored without repeating the edge


def test_random_crops_reach_every_place_alike():
    image, mask = picture(70, 66), np.ones((70, 66), np.uint8)
    rng = np.random.default_rng(0)
    tops = [crop(image, [mask], 64, rng)[0][0, 0, 0] for _ in range(700)]
    counts = np.bincount(tops, minlength=7)
    assert len(counts) == 7
    assert np.all(np.abs(counts - 100) < 4 * np.sqrt(700 / 7 * 6 / 7))


@pytest.mark.parametrize("fit", ["crop", "resize"])
def test_image_and_masks_move_together(fit):
    rng = np.random.default_rng(0)
    for size in ((100, 130), (40, 50), (64, 200)):
        mask = np.zeros(size, np.uint8)
        mask[10:30, 15:35] = 1
        image = (mask * 200)[..., None]
        for _ in range(10):
            framed, (label,) = training_frame(image, [mask], size=64, fit=fit, rng=rng)
            inside = label != IGNORE
            assert ((framed[..., 0] > 100) == (label == 1))[inside].mean() > 0.995


def test_the_same_rng_gives_the_same_frame():
    image, mask = picture(100, 40), np.ones((100, 40), np.uint8)
    frames = [training_frame(image, [mask], size=64, fit="crop", rng=np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(frames[0][0], frames[1][0])
    assert np.array_equal(frames[0][1][0], frames[1][1][0])


@pytest.mark.parametrize(
    ("size", "expected"), [((24, 24), (64, 64)), ((100, 50), (64, 32)), ((10, 1000), (1, 64)), ((64, 20), (64, 20))]
)
def test_evaluation_scales_the_longer_side(size, expected):
    image, mask = picture(*size, depth=5, dtype=np.uint16), np.ones(size, np.uint8)
    framed, (label,) = evaluation_frame(image, [mask], size=64, fit="resize")
    assert framed.shape == (*expected, 5)
    assert label.shape == expected


def test_evaluation_by_window_leaves_image_and_masks_as_they_are():
    image, mask = picture(33, 80), np.ones((33, 80), np.uint8)
    framed, (label,) = evaluation_frame(image, [mask], size=64, fit="crop")
    assert framed is image
    assert label is mask


def test_shrinking_averages():
    image = np.random.default_rng(0).integers(0, 60000, (128, 128, 7)).astype(np.uint16)
    small, _ = resize(image, [], 32)
    blocks = image.reshape(32, 4, 32, 4, 7).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() <= 0.51


@pytest.mark.parametrize("side", [17, 50, 96, 200])
def test_masks_scale_as_in_pillow(side):
    """Another library's nearest neighbour, which takes the centre of each pixel; half a pixel off would be seen."""
    mask = np.random.default_rng(0).integers(0, 9, (60, 100)).astype(np.uint8)
    _, (scaled,) = resize(np.zeros((60, 100, 1), np.uint8), [mask], side)
    witness = Image.fromarray(mask).resize((side, max(1, round(60 * side / 100))), Image.Resampling.NEAREST)
    assert (scaled == np.asarray(witness)).mean() > 0.97
    assert set(np.unique(scaled)) <= set(range(9))


def test_ten_thousand_pixels():
    image, mask = np.zeros((10_000, 2_000, 1), np.uint8), np.zeros((10_000, 2_000), np.uint8)
    for fit in ("crop", "resize"):
        framed, (label,) = training_frame(image, [mask], size=64, fit=fit, rng=np.random.default_rng(0))
        assert framed.shape == (64, 64, 1)
        assert (label == 0).sum() == (64 * 64 if fit == "crop" else 64 * 13)


def test_input_is_not_changed():
    image, mask = picture(40, 40), np.ones((40, 40), np.uint8)
    before = image.copy(), mask.copy()
    framed, (label,) = training_frame(image, [mask], size=64, fit="resize", rng=np.random.default_rng(0))
    framed[:] = 0
    label[:] = 0
    assert np.array_equal(image, before[0])
    assert np.array_equal(mask, before[1])


def test_padding_leaves_large_images_alone():
    image, mask = picture(80, 90), np.ones((80, 90), np.uint8)
    padded, _ = pad(image, [mask], 64, np.random.default_rng(0))
    assert padded is image


def test_another_fit_is_refused():
    with pytest.raises(ConfigError, match="'fit' of the data"):
        evaluation_frame(picture(40, 40), [], size=64, fit="stretch")
