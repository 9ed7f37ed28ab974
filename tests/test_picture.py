"""How images and labels are shown."""

import numpy as np
import pytest

from segtrain.picture import BACKGROUND, class_colours, draw_outlines, rgb, visible


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_any_image_becomes_one_that_can_be_drawn_on(channels: int, kind: type) -> None:
    image = np.linspace(0, 200, 12 * 10 * channels).reshape(12, 10, channels).astype(kind)
    before = image.copy()
    shown = visible(image)
    assert shown.shape == (12, 10, 3)
    assert shown.dtype == np.uint8
    assert (shown.min(), shown.max()) == (0, 255)
    label = np.zeros((12, 10), np.uint8)
    label[3:8, 2:7] = 1
    draw_outlines(shown, label, {1: "#ff0000"})
    assert shown[3, 2].tolist() == [255, 0, 0]
    assert shown[5, 4].tolist() == visible(image)[5, 4].tolist()
    assert np.array_equal(image, before)


def test_a_constant_image_is_black() -> None:
    assert visible(np.full((4, 4, 1), 9, np.uint16)).max() == 0


def test_overlapping_planes_have_an_outline_each() -> None:
    canvas = np.zeros((8, 8, 3), np.uint8)
    planes = np.zeros((2, 8, 8), np.uint8)
    planes[0, 1:4, 1:4] = planes[1, 5:7, 5:7] = 1
    draw_outlines(canvas, planes, {0: "#00ff00", 1: "#0000ff"})
    assert canvas[1, 1].tolist() == [0, 255, 0]
    assert canvas[5, 5].tolist() == [0, 0, 255]


def test_colours_differ_and_the_background_is_grey() -> None:
    colours = class_colours([BACKGROUND, *map(str, range(20))])
    assert rgb(colours[0]) == (153, 153, 153)
    assert len(set(colours)) == 21
