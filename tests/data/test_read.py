"""Reading image and mask files, against Pillow, and the values that were written."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from segtrain.data.decode import size
from segtrain.data.read import read_image, read_mask
from segtrain.data.values import MaskValues
from segtrain.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
WIDE = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)


def image(path: Path, channels: int | None) -> np.ndarray:
    return read_image(str(path), channels)[0]


def notes(path: Path, channels: int) -> str:
    return " ".join(read_image(str(path), channels)[1])


def grey_png(label: np.ndarray, bits: int) -> bytes:
    """Write a grey PNG of few bits by hand, as no library at hand does."""
    packed = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :].ravel()).tobytes() for row in label]
    header = struct.pack(">IIBBBBB", label.shape[1], label.shape[0], bits, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


# Images


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "webp"])
def test_colours_are_read_as_they_were_written(tmp_path: Path, ending: str) -> None:
    Image.fromarray(RGB).save(tmp_path / f"a.{ending}", lossless=True)
    np.testing.assert_array_equal(image(tmp_path / f"a.{ending}", 3), RGB)


def test_a_jpeg_is_read_as_another_library_reads_it(tmp_path: Path) -> None:
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    other = imagecodecs.jpeg8_decode((tmp_path / "a.jpg").read_bytes())
    assert np.abs(image(tmp_path / "a.jpg", 3).astype(int) - other).max() <= 2


def test_what_is_in_a_file_decides_not_its_name(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(image(tmp_path / "a.jpg", 3), RGB)


def test_sixteen_bits_survive_in_grey_and_in_colour(tmp_path: Path) -> None:
    Image.fromarray(WIDE).save(tmp_path / "grey.png")
    colours = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "colour.png"), colours[..., ::-1])
    tifffile.imwrite(tmp_path / "big_endian.tif", WIDE, byteorder=">")
    np.testing.assert_array_equal(image(tmp_path / "grey.png", 1)[..., 0], WIDE)
    np.testing.assert_array_equal(image(tmp_path / "colour.png", 3), colours)
    found = image(tmp_path / "big_endian.tif", 1)
    np.testing.assert_array_equal(found[..., 0], WIDE)
    assert found.dtype == np.uint16
    assert found.dtype.isnative
    assert "16 bits" in notes(tmp_path / "grey.png", 1)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_tiff_of_five_channels(tmp_path: Path, compression: str | None, planar: str) -> None:
    stack = RNG.integers(0, 65536, (5, 9, 7), dtype=np.uint16)
    stored = stack if planar == "separate" else np.moveaxis(stack, 0, -1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, compression=compression, planarconfig=planar, photometric="minisblack")
    np.testing.assert_array_equal(image(path, 5), np.moveaxis(stack, 0, -1))
    assert size(str(path)) == (9, 7)


def test_the_pages_of_a_tiff_are_channels_and_more_axes_are_a_fault(tmp_path: Path) -> None:
    stack = RNG.integers(0, 256, (4, 9, 7), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "pages.tif", stack, photometric="minisblack")
    np.testing.assert_array_equal(image(tmp_path / "pages.tif", 4), np.moveaxis(stack, 0, -1))
    tifffile.imwrite(tmp_path / "movie.tif", RNG.integers(0, 256, (3, 9, 7, 3), dtype=np.uint8), photometric="rgb")
    with pytest.raises(DataError, match=r"movie\.tif has the axes .*save each image as a file of its own"):
        image(tmp_path / "movie.tif", 3)


def test_a_tiff_whose_white_is_zero_is_turned_round(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(image(tmp_path / "a.tif", 1)[..., 0], 255 - GREY)


def test_floats_are_kept_and_nan_is_named(tmp_path: Path) -> None:
    real = RNG.normal(size=(5, 7)).astype(np.float64)
    tifffile.imwrite(tmp_path / "a.tif", real)
    np.testing.assert_array_equal(image(tmp_path / "a.tif", 1)[..., 0], real.astype(np.float32))
    real[1, 2] = np.nan
    real[3, 3] = np.inf
    tifffile.imwrite(tmp_path / "b.tif", real)
    with pytest.raises(DataError, match=r"b\.tif: 2 of 35 values are NaN or infinite"):
        image(tmp_path / "b.tif", 1)


def test_alpha_is_dropped_unless_the_channels_ask_for_it(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, GREY])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    Image.fromarray(rgba).save(tmp_path / "a.tif")
    Image.fromarray(rgba[..., 2:]).save(tmp_path / "b.png")
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(image(tmp_path / name, 3), RGB)
        np.testing.assert_array_equal(image(tmp_path / name, 4), rgba)
        assert "alpha" in notes(tmp_path / name, 3)
        assert "alpha" not in notes(tmp_path / name, 4)
    np.testing.assert_array_equal(image(tmp_path / "b.png", 1)[..., 0], RGB[..., 2])
    np.testing.assert_array_equal(image(tmp_path / "b.png", 3), RGB[..., [2, 2, 2]])


def test_without_a_wish_the_channels_are_those_of_the_file_but_for_alpha(tmp_path: Path) -> None:
    for name, pixels in {"grey": GREY, "colour": RGB, "alpha": np.dstack([RGB, GREY])}.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    assert np.array_equal(image(tmp_path / "grey.png", None), GREY[..., None])
    assert np.array_equal(image(tmp_path / "colour.png", None), RGB)
    assert np.array_equal(image(tmp_path / "alpha.png", None), RGB)


def test_a_palette_image_gives_its_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).quantize(8)
    expected = np.asarray(palette.convert("RGB"))
    palette.save(tmp_path / "a.png")
    palette.save(tmp_path / "a.gif")
    palette.save(tmp_path / "a.tif")
    palette.save(tmp_path / "clear.png", transparency=0)
    for name in ("a.png", "a.gif", "a.tif", "clear.png"):
        np.testing.assert_array_equal(image(tmp_path / name, 3), expected)
        assert "palette" in notes(tmp_path / name, 3)


def test_grey_repeats_and_colour_turns_grey_and_else_nothing_fits(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    Image.fromarray(RGB).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(image(tmp_path / "grey.png", 3), np.stack([GREY] * 3, axis=-1))
    luma = RGB @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    np.testing.assert_allclose(image(tmp_path / "colour.png", 1)[..., 0], luma, atol=1)
    with pytest.raises(DataError, match=r"colour\.png has 3 channels, data\.channels is 5: set data\.channels=3"):
        image(tmp_path / "colour.png", 5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_turns_images_as_pillow_does_and_masks_never(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = cv2.resize(RGB, (24, 16), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.fromarray(smooth).save(tmp_path / "a.png", exif=exif)
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", smooth, photometric="rgb", extratags=tag)
    with Image.open(tmp_path / "a.jpg") as opened:
        turned_jpeg = np.asarray(ImageOps.exif_transpose(opened))
    with Image.open(tmp_path / "a.png") as opened:
        turned = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(image(tmp_path / "a.jpg", 3), turned_jpeg)
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(image(tmp_path / name, 3), turned)
        np.testing.assert_array_equal(read_mask(str(tmp_path / name)), smooth)
    assert size(str(tmp_path / "a.jpg")) == size(str(tmp_path / "a.tif")) == turned.shape[:2]
    assert ("EXIF" in notes(tmp_path / "a.jpg", 3)) == (orientation != 1)


def test_arrays_are_writable_and_in_order(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    Image.fromarray(RGB).save(tmp_path / "b.png")
    for name, channels in (("a.png", 1), ("a.png", 3), ("b.png", 3), ("b.png", 1)):
        found = image(tmp_path / name, channels)
        assert found.flags.writeable
        assert found.flags.c_contiguous


def test_ten_thousand_pixels_are_read(tmp_path: Path) -> None:
    large = np.zeros((10_000, 10_000), np.uint8)
    large[9_999, 9_999] = 7
    Image.fromarray(large).save(tmp_path / "a.png", compress_level=1)
    assert image(tmp_path / "a.png", 1)[-1, -1, 0] == 7


def test_a_decompression_bomb_is_not_decoded(tmp_path: Path) -> None:
    body = grey_png(np.zeros((1, 1), np.uint8), 8)
    claim = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    header = b"IHDR" + claim
    bomb = body[:12] + header + struct.pack(">I", zlib.crc32(header)) + body[33:]
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(DataError, match=r"bomb\.png"):
        image(tmp_path / "bomb.png", 1)


def broken_files() -> dict[str, bytes]:
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = {"empty.png": b"", "text.png": b"not an image at all, but words"}
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, kind)
        found[f"half.{kind.lower()}"] = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, noise, compression="lzw")
    found["half_lzw.tif"] = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    flipped = io.BytesIO()
    Image.fromarray(noise).save(flipped, "PNG")
    content = bytearray(flipped.getvalue())
    content[len(content) // 2] ^= 255
    found["flipped.png"] = bytes(content)
    return found


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(broken_files()[name])
    for read in (lambda: image(tmp_path / name, 3), lambda: read_mask(str(tmp_path / name))):
        with pytest.raises(DataError, match=name.replace(".", r"\.")) as caught:
            read()
        assert "restore or remove it" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png"):
        image(tmp_path / "gone.png", 3)


# Masks


def label_of(path: Path, content: np.ndarray | Image.Image, values: MaskValues) -> list[list[int]]:
    (content if isinstance(content, Image.Image) else Image.fromarray(content)).save(path)
    found = values.read(str(path))
    assert found.dtype == np.uint8
    return found.tolist()


def rows(*numbers: list[int], dtype: type = np.uint8) -> np.ndarray:
    return np.array(numbers, dtype)


def test_class_numbers_are_read_and_the_ignored_value_becomes_255(tmp_path: Path) -> None:
    values = MaskValues(["a", "b", "c"], ignore_value=11)
    assert label_of(tmp_path / "a.png", rows([0, 1], [2, 11]), values) == [[0, 1], [2, 255]]
    assert label_of(tmp_path / "b.png", rows([0, 1], [2, 11], dtype=np.uint16), values) == [[0, 1], [2, 255]]
    assert label_of(tmp_path / "c.tif", rows([0, 1], [2, 11], dtype=np.float32), values) == [[0, 1], [2, 255]]
    below = MaskValues(["a", "b"], ignore_value=-1)
    tifffile.imwrite(tmp_path / "d.tif", rows([0, 1], [-1, 1], dtype=np.int16))
    assert below.read(str(tmp_path / "d.tif")).tolist() == [[0, 1], [255, 1]]


def test_a_mask_in_black_and_white_means_two_classes(tmp_path: Path) -> None:
    two = MaskValues(["background", "cell"])
    path = tmp_path / "a.png"
    assert label_of(path, rows([0, 255], [255, 0]), two) == [[0, 1], [1, 0]]
    assert label_of(path, rows([255, 255]), two) == [[1, 1]]
    assert label_of(path, rows([0, 1]), two) == [[0, 1]]
    assert label_of(path, rows([0, 65535], dtype=np.uint16), two) == [[0, 1]]
    assert label_of(path, np.array([[True, False]]), two) == [[1, 0]]
    assert label_of(path, rows([0, 255, 128]), MaskValues(["a", "b"], ignore_value=128)) == [[0, 1, 255]]
    assert label_of(path, rows([0, 255]), MaskValues(["a", "b"], ignore_value=255)) == [[0, 255]]


@pytest.mark.parametrize(
    ("values", "white", "coded"),
    [
        (MaskValues(["a", "b", "c"], ignore_value=255), False, [0, 1, 2, 255]),
        (MaskValues(["a", "b", "c"], ignore_value=11), True, [0, 1, 2, 11]),
        (MaskValues(["a", "b"], ignore_value=255), False, [0, 1, 255]),
        (MaskValues(["a", "b"], ignore_value=255), True, [0, 1, 255]),
        (MaskValues(["a", "b"], ignore_value=128), True, [0, 255, 128]),
        (MaskValues(["a", "b"], ignore_value=1), False, [0, 255, 1]),
        (MaskValues(["a", "b"]), False, [0, 1]),
        (MaskValues(["a", "b"]), True, [0, 255]),
        (MaskValues(["a", "b"], {7: "b", 8: "b", 3: "a", 300: "ignore"}), True, [3, 7, 300]),
        (MaskValues(["a", "b"], {"#0a0b0c": "b", "#ff0000": "a"}), False, [[255, 0, 0], [10, 11, 12]]),
    ],
)
def test_what_is_coded_is_read_again(tmp_path: Path, values: MaskValues, white: bool, coded: list[int]) -> None:
    label = np.array([[0, 1, 255] if len(coded) == 3 else [0, 1] if len(coded) == 2 else [0, 1, 2, 255]], np.uint8)
    found = values.coded(label, white)
    assert found[0].tolist() == coded
    for part in (label, label[:, :1], label[:, -1:]):  # black and white is told from what else is in a file
        assert label_of(tmp_path / "a.png", values.coded(part, white), values) == part.tolist()


def test_what_no_value_means_cannot_be_coded() -> None:
    with pytest.raises(DataError, match=r"means b, ignored: give it one in data\.mask_values"):
        MaskValues(["a", "b"], {5: "a"}).coded(np.array([[0, 1, 255]], np.uint8))
    with pytest.raises(DataError, match="means ignored"):
        MaskValues(["a", "b"], ignore_value=-1).coded(np.array([[0, 1, 255]], np.uint8))


@pytest.mark.parametrize("values", [[0, 1, 255], [0, 254], [0, 2], [0, 128, 255]])
def test_any_other_value_is_a_fault(tmp_path: Path, values: list[int]) -> None:
    with pytest.raises(DataError, match=r"a\.png: .* mean nothing, allowed are 0 = background, 1 = cell"):
        label_of(tmp_path / "a.png", rows(values), MaskValues(["background", "cell"]))


def test_black_and_white_is_a_fault_where_there_are_three_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"255 \(1 pixels\) mean nothing"):
        label_of(tmp_path / "a.png", rows([0, 255]), MaskValues(["a", "b", "c"]))


def test_a_mask_saved_with_loss_is_told_so(tmp_path: Path) -> None:
    mask = cv2.circle(np.zeros((64, 64), np.uint8), (30, 30), 20, 255, -1)
    with pytest.raises(DataError, match="saved with loss"):
        label_of(tmp_path / "a.jpg", mask, MaskValues(["background", "cell"]))


def test_fractions_and_nan_in_a_mask_are_faults(tmp_path: Path) -> None:
    for number, wrong in enumerate((0.5, np.nan, np.inf)):
        with pytest.raises(DataError, match="whole numbers"):
            label_of(tmp_path / f"{number}.tif", np.array([[0, wrong]], np.float32), MaskValues(["a", "b"]))


def test_a_palette_mask_gives_indices(tmp_path: Path) -> None:
    mask = Image.new("P", (2, 2))
    mask.putdata([0, 1, 2, 2])
    mask.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    for name in ("a.png", "a.bmp", "a.tif", "a.gif"):
        assert label_of(tmp_path / name, mask, MaskValues(["a", "b", "c"])) == [[0, 1], [2, 2]]
    by_colour = MaskValues(["a", "b", "c"], {"#000000": "c", "#ff0000": "b", "#00ff00": "a"})
    assert label_of(tmp_path / "b.png", mask, by_colour) == [[2, 1], [0, 0]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_keep_their_numbers(tmp_path: Path, bits: int) -> None:
    label = RNG.integers(0, 2**bits, (8, 8), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(grey_png(label, bits))
    values = MaskValues([str(number) for number in range(16)])
    np.testing.assert_array_equal(values.read(str(tmp_path / "a.png")), label)


def test_a_mask_in_colour_is_read_by_its_map(tmp_path: Path) -> None:
    values = MaskValues(["sky", "road"], {"#ff0000": "road", "0, 0, 255": 0, "(0,0,0)": "ignore"})
    mask = np.array([[[255, 0, 0], [0, 0, 255], [0, 0, 0]]], np.uint8)
    assert label_of(tmp_path / "a.png", mask, values) == [[1, 0, 255]]
    assert label_of(tmp_path / "b.png", np.dstack([mask, mask[..., :1]]), values) == [[1, 0, 255]]
    assert label_of(tmp_path / "c.png", rows([0, 0]), values) == [[255, 255]]  # an all-black mask that was made grey
    mask[0, 0] = 9, 8, 7
    with pytest.raises(DataError, match=r"'#090807' \(1 pixels\) mean nothing, allowed are '#ff0000' = road"):
        label_of(tmp_path / "d.png", mask, values)


def test_a_colour_mask_without_a_map_is_a_fault_unless_it_is_grey(tmp_path: Path) -> None:
    values = MaskValues(["a", "b"])
    assert label_of(tmp_path / "a.png", np.stack([rows([0, 1])] * 3, axis=-1), values) == [[0, 1]]
    assert label_of(tmp_path / "b.png", np.stack([rows([0, 255])] * 3, axis=-1), values) == [[0, 1]]
    with pytest.raises(DataError, match=r"data\.mask_values: \{'#ff0000': b\}"):
        label_of(tmp_path / "c.png", np.array([[[255, 0, 0]]], np.uint8), values)


def test_mapped_numbers_replace_the_class_numbers(tmp_path: Path) -> None:
    values = MaskValues(["a", "b"], {4: "a", "128": 1, 7: "ignore"}, ignore_value=9)
    assert label_of(tmp_path / "a.png", rows([4, 128, 7, 9]), values) == [[0, 1, 255, 255]]
    for unknown in (0, 1, 255):
        with pytest.raises(DataError, match="mean nothing"):
            label_of(tmp_path / "b.png", rows([4, unknown]), values)


def test_a_map_that_cannot_be_understood_lists_every_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        MaskValues(["a", "b"], {"red": "a", 1: "bee", 2: 5, "300,0,0": 0, 3: "a", "#00ff00": "b"})
    assert len(caught.value.faults) == 5
    with pytest.raises(ConfigError, match="map the ignored colour"):
        MaskValues(["a", "b"], {"#00ff00": "b"}, ignore_value=3)
