"""Figures and overlays: what is drawn is what was measured."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix

from segtrain.picture import class_colours
from segtrain.reports import figures
from segtrain.reports.colours import CONFUSED, EXTRA, MISSED, series_colours
from segtrain.reports.overlays import error_layer, image_uri, label_layer, label_planes

ODD = ["a$b$", "_c", "\u80dd\u810f", "<b>&\"'"]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def rgba(uri: str) -> np.ndarray:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA"))


def rgb(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


@pytest.fixture
def drawn() -> list[str]:
    """One figure of each sort, with names that could break a picture."""
    line = figures.Line("x", "#4477aa", np.arange(5), np.array([0.1, 0.2, np.nan, 0.3, 0.4]))
    return [
        figures.curves([line], {0: 2, 1: 4}, best=1),
        figures.confusion(np.arange(16).reshape(4, 4).tolist(), ODD),
        figures.binary_confusions([[[9, 1], [2, 8]]] * 4, ODD),
        figures.reliability([0.2, None, 0.9], [0.1, float("nan"), 0.8], [10, 0, 90]),
        figures.histogram({"a": np.array([0.1, 0.5, np.nan]), "b": np.array([0.2])}, "Dice"),
        figures.draws(np.array([0, 0, 3, 90])),
    ]


def test_figures_are_whole_themed_and_hold_no_link(drawn: list[str]) -> None:
    for svg in drawn:
        root = ET.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(--muted)" in svg
        assert not re.search(r"#23272e|#6b7280|#e4e2dc|font-family|<metadata|<style", svg)
        links = re.findall(r"https?://[^\"]+", svg)
        assert set(links) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert "height" not in root.attrib


def test_figures_leave_matplotlib_as_it_was(drawn: list[str]) -> None:
    import matplotlib as mpl

    assert mpl.rcParams["svg.hashsalt"] is None
    assert mpl.rcParams["text.parse_math"] is True


def test_confusion_gives_the_shares_of_each_row() -> None:
    rng = np.random.default_rng(0)
    target, predicted = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    svg = figures.confusion(confusion_matrix(target, predicted).tolist(), ODD)
    shares = 100 * confusion_matrix(target, predicted, normalize="true")
    written = texts(svg)
    for name in ODD:
        assert written.count(name) == 2  # a row and a column
    assert [word for word in written if word.isdigit()] == [f"{share:.0f}" for share in shares.ravel()]


def test_a_class_that_never_occurs_gives_an_empty_row() -> None:
    written = texts(figures.confusion([[5, 5], [0, 0]], ["a", "b"]))
    assert [word for word in written if word.isdigit()] == ["50", "50", "0", "0"]


def test_many_classes_are_a_picture_without_words() -> None:
    svg = figures.confusion(np.eye(150).tolist(), [f"class {n}" for n in range(150)])
    assert len(svg) < 100_000
    assert "class 7" not in svg
    assert "10" in texts(svg)


def test_overlapping_classes_have_a_matrix_each() -> None:
    written = texts(figures.binary_confusions([[[75, 25], [10, 90]], [[1, 0], [0, 0]]], ["lung", "heart"]))
    assert [word for word in written if word.isdigit()] == ["75", "25", "10", "90", "100", "0", "0", "0"]
    assert {"lung", "heart", "predicted", "label"} <= set(written)


def test_a_gap_in_a_curve_stays_a_gap() -> None:
    values = np.array([0.1, 0.2, 0.3, np.nan, 0.4, 0.5, 0.6])
    colour = "#123456"
    svg = figures.curves([figures.Line("x", colour, np.arange(7), values)], {0: 6})
    (path,) = re.findall(r'<path d="([^"]*)"[^>]*stroke: ' + colour, svg)
    assert path.count("M") == 2


def test_the_axis_counts_epochs_where_they_end() -> None:
    line = figures.Line("x", "#4477aa", np.arange(100), np.linspace(0, 1, 100))
    written = texts(figures.curves([line], {epoch: 10 * epoch + 9 for epoch in range(10)}))
    assert {"0", "2", "4", "6", "8", "epoch"} <= set(written)
    assert "10" not in written


def test_colours_differ_and_the_background_is_grey() -> None:
    colours = class_colours(["background", *(f"class {n}" for n in range(40))])
    assert len(set(colours)) == 41
    assert len(set(rgb(colours[0]))) == 1
    assert len(set(series_colours(20))) == 20
    assert not {MISSED, EXTRA, CONFUSED} & {*colours, *series_colours(20)}


def test_planes_of_exclusive_classes() -> None:
    label = np.array([[0, 1, 2, 255]], np.uint8)
    planes, ignored = label_planes(label, 3, overlapping=False)
    assert planes.astype(int).tolist() == [[[1, 0, 0, 0]], [[0, 1, 0, 0]], [[0, 0, 1, 0]]]
    assert ignored.tolist() == [[False, False, False, True]]


def test_planes_of_overlapping_classes_are_bits() -> None:
    label = np.array([[0, 1, 5, 255]], np.uint8)
    planes, ignored = label_planes(label, 3, overlapping=True)
    assert planes.astype(int).tolist() == [[[0, 1, 1, 0]], [[0, 0, 0, 0]], [[0, 0, 1, 0]]]
    assert ignored.tolist() == [[False, False, False, True]]


def test_error_colours_count_what_a_confusion_matrix_counts() -> None:
    rng = np.random.default_rng(0)
    target, predicted = rng.integers(0, 4, (40, 50)), rng.integers(0, 4, (40, 50))
    target[:5] = 255
    truth, ignored = label_planes(target.astype(np.uint8), 4, overlapping=False)
    found, _ = label_planes(predicted.astype(np.uint8), 4, overlapping=False)
    picture = rgba(error_layer(truth, ignored, found, hidden=0))
    counts = confusion_matrix(target[5:].ravel(), predicted[5:].ravel())
    painted = {
        colour: int(((picture[..., :3] == rgb(colour)).all(axis=-1) & (picture[..., 3] == 255)).sum())
        for colour in (MISSED, EXTRA, CONFUSED)
    }
    assert painted[MISSED] == counts[1:, 0].sum()
    assert painted[EXTRA] == counts[0, 1:].sum()
    assert painted[CONFUSED] == counts[1:, 1:].sum() - np.trace(counts[1:, 1:])
    assert (picture[..., 3] == 0).sum() == np.trace(counts) + target[:5].size


def test_without_a_background_every_error_is_a_wrong_class() -> None:
    truth, ignored = label_planes(np.array([[0, 1]], np.uint8), 2, overlapping=False)
    found, _ = label_planes(np.array([[1, 1]], np.uint8), 2, overlapping=False)
    picture = rgba(error_layer(truth, ignored, found, hidden=None))
    assert picture[0, 0].tolist() == [*rgb(CONFUSED), 255]
    assert picture[0, 1, 3] == 0


def test_a_label_is_filled_outlined_and_blended_where_classes_overlap() -> None:
    label = np.zeros((256, 256), np.uint8)
    label[40:140, 40:140] |= 1
    label[90:200, 90:200] |= 2
    label[:8, :8] = 255
    planes, ignored = label_planes(label, 2, overlapping=True)
    picture = rgba(label_layer(planes, ignored, ["#ff0000", "#0000ff"], hidden=None))
    assert picture.shape == (256, 256, 4)
    fill = picture[60, 60, 3] / 255
    assert 0.1 < fill < 0.5
    assert picture[60, 60].tolist()[:3] == [255, 0, 0]
    assert picture[40, 60].tolist() == [255, 0, 0, 255]  # an outline
    red, green, blue, opacity = picture[110, 110].astype(float)
    # "over" by hand: blue upon red, each of the same opacity
    total = fill + fill * (1 - fill)
    assert opacity == pytest.approx(255 * total, abs=1)
    assert [red, green, blue] == pytest.approx([255 * fill * (1 - fill) / total, 0, 255 * fill / total], abs=2)
    assert picture[230, 20, 3] == 0
    assert set(picture[:8, :8, 3].ravel().tolist()) == {0, round(255 * 0.8)}


def test_the_border_of_the_picture_is_no_outline() -> None:
    planes, ignored = label_planes(np.ones((256, 256), np.uint8), 2, overlapping=False)
    picture = rgba(label_layer(planes, ignored, ["#000000", "#00ff00"], hidden=0))
    assert len(np.unique(picture[..., 3])) == 1
    assert picture[0, 0, 3] < 255


def test_small_masks_are_enlarged_so_that_outlines_stay_thin() -> None:
    label = np.zeros((24, 16), np.uint8)
    label[8:16, 4:12] = 1
    planes, ignored = label_planes(label, 2, overlapping=False)
    picture = rgba(label_layer(planes, ignored, ["#000000", "#00ff00"], hidden=0))
    assert picture.shape == (240, 160, 4)
    assert (picture[..., 3] == 255).sum() == 80 * 80 - 76 * 76


def test_more_colours_than_a_palette_holds() -> None:
    label = np.arange(200, dtype=np.uint8).repeat(8)[None].repeat(8, axis=0)  # 200 bars of 8 x 8 pixels
    planes, ignored = label_planes(label, 200, overlapping=False)
    colours = [f"#{n:02x}{255 - n:02x}80" for n in range(200)]
    picture = rgba(label_layer(planes, ignored, colours, hidden=None))
    assert picture[4, 8 * 150 + 4].tolist()[:3] == [150, 105, 128]
    assert picture[4, 8 * 150 + 4, 3] < 255
    assert picture[4, 8 * 150].tolist() == [150, 105, 128, 255]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_images_of_every_sort_become_small_data_uris(tmp_path: Path, mode: str) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)).convert(mode).save(tmp_path / "image.png")
    uri, width, height = image_uri(tmp_path / "image.png")
    assert (width, height) == (64, 48)
    content = base64.b64decode(uri.partition(",")[2])
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert image.size == (64, 48)
