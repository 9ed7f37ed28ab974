"""What a pixel is told by, against scikit-image and against pictures whose features are known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import gray2rgb, rgb2lab

from segtrain.classic.features import EDGE_SCALE, TEXTURE_SCALE, lab, pixel_features


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (23, 31, 3), dtype=np.uint8)


def test_colour_is_cielab(picture):
    np.testing.assert_allclose(lab(picture), rgb2lab(picture), atol=0.5)  # OpenCV rounds to tables
    grey = picture[..., :1]
    np.testing.assert_allclose(lab(grey), rgb2lab(gray2rgb(grey[..., 0]))[..., :1], atol=0.25)


def test_what_is_not_uint8_is_told_by_its_own_extremes(picture):
    stretched = picture.copy()
    stretched[0, 0], stretched[0, 1] = 0, 255
    expected = lab(stretched)
    np.testing.assert_allclose(lab(stretched.astype(np.uint16) * 10 + 500), expected, atol=1e-3)
    np.testing.assert_allclose(lab(stretched / 255.0 - 3), expected, atol=1e-3)


def test_other_channels_are_shares():
    image = np.arange(40, dtype=np.uint16).reshape(2, 4, 5)
    np.testing.assert_allclose(lab(image), 100 * image / 39.0, rtol=1e-6)
    assert not lab(np.full((3, 3, 5), 7.0)).any()


def test_position_in_pixels_and_weights(picture):
    features = pixel_features(picture, colour=0.5, position=0.25)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[..., :3], 0.5 * lab(picture))
    rows, columns = np.mgrid[:23, :31]
    np.testing.assert_array_equal(features[..., 3:], 0.25 * np.stack([rows, columns], -1))


def test_a_part_of_weight_0_is_left_out(picture):
    assert pixel_features(picture, colour=0, gradient=1).shape == (23, 31, 1)
    assert pixel_features(picture, colour=0).shape == (23, 31, 0)


def test_the_gradient_of_a_ramp_is_its_slope():
    ramp = np.zeros((20, 24, 2), np.float32) + 3 * np.arange(24, dtype=np.float32)[:, None]
    gradient = pixel_features(ramp, colour=0, gradient=1)[5:-5, 5:-5, 0]
    np.testing.assert_allclose(gradient, np.sqrt(2) * 100 / 23, rtol=1e-3)


def test_texture_is_told_by_the_eigenvalues_of_the_structure_tensor(picture):
    found = pixel_features(picture, colour=0, texture=1).astype(float)
    image = lab(picture).astype(float)
    slopes = [gaussian_filter(image, EDGE_SCALE, order=order, axes=(0, 1)) for order in ((1, 0), (0, 1))]
    tensor = [[gaussian_filter((one * other).sum(-1), TEXTURE_SCALE) for one in slopes] for other in slopes]
    values = np.linalg.eigvalsh(np.moveaxis(np.array(tensor), (0, 1), (-2, -1)))  # (H, W, 2)
    np.testing.assert_allclose(found[..., 0] ** 2, values.sum(-1), rtol=1e-4)
    direction = np.hypot(found[..., 1], found[..., 2])
    np.testing.assert_allclose(direction * found[..., 0], values[..., 1] - values[..., 0], rtol=1e-3, atol=1e-2)


def test_texture_tells_stripes_by_their_direction():
    rows, columns = np.mgrid[:48, :48]
    lying, standing = (np.sin(coordinate * 0.8)[..., None] for coordinate in (rows, columns))
    lying, standing = (pixel_features(stripes, colour=0, texture=1) for stripes in (lying, standing))
    lying, standing = (features[20:28, 20:28].mean((0, 1)) for features in (lying, standing))
    assert lying[0] == pytest.approx(standing[0], rel=1e-3)
    assert standing[1] == pytest.approx(-lying[1], rel=1e-3)
    assert standing[1] == pytest.approx(standing[0], rel=1e-2)
    assert abs(standing[2]) < 1e-2 * standing[0]
