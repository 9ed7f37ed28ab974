"""A sheet of pictures: samples with the outlines of their labels, to look at a data set with one's own eyes."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segtrain.data.examine import agreement
from segtrain.data.source import DataSet, Item, Source
from segtrain.errors import DataError
from segtrain.picture import BACKGROUND, class_colours, draw_outlines
from segtrain.types import IGNORE

__all__ = ["draw_sheet"]

_REFERENCE = "#ffffff"
_IGNORED = (150, 150, 150)
_PAPER, _INK, _FAULT = "#fafaf8", "#23272e", "#be1e2d"
_GAP, _LINE, _KEY = 8, 15, 15


def draw_sheet(
    source: Source, indices: Sequence[int], data_set: DataSet, *, title: str = "", columns: int = 6, side: int = 220
) -> Image.Image:
    """Draw samples side by side, each with its id, its size and its label's outlines.

    The first reference is a white line. Images are stretched from their 1st to their 99th percentile, and of more
    than three channels the first three are seen. A sample that cannot be read shows why.

    Args:
        source: one split.
        indices: of the samples, in the order of the sheet.
        data_set: whose split it is.
        title: stands above, with the classes' colours.
        columns: pictures in a row.
        side: of each picture's square, in pixels.
    """
    rows = -(-len(indices) // columns)
    width, height = columns * (side + _GAP) + _GAP, side + 2 * _LINE + _GAP
    colours = _class_colours(data_set.classes)
    keys = [(data_set.classes[number], colour) for number, colour in colours.items()]
    keys += [(f"{name} (reference)", _REFERENCE) for name in source.reference_names[:1]]
    places, head = _legend_places([name for name, _ in keys], width)
    page = Image.new("RGB", (width, rows * height + head), _PAPER)
    _draw_head(page, title, keys, places)
    for place, index in enumerate(indices):
        left, top = _GAP + place % columns * (side + _GAP), head + place // columns * height
        picture, caption, colour = _tile(source, index, len(data_set.classes), colours, side)
        page.paste(picture, (left + (side - picture.width) // 2, top + (side - picture.height) // 2))
        draw = ImageDraw.Draw(page)
        draw.text((left, top + side), _shortened(source.ids[index], side), _INK, _font())
        draw.text((left, top + side + _LINE), caption, colour, _font())
    return page


def _tile(
    source: Source, index: int, num_classes: int, colours: dict[int, str], side: int
) -> tuple[Image.Image, str, str]:
    """Give a sample's picture, and the line below it with its colour."""
    try:
        item = source.read(index)
        references = source.references(index)
    except DataError as error:
        picture = Image.new("RGB", (side, side), (235, 230, 228))
        reason = textwrap.fill((error.faults or [str(error)])[0], side // 7, break_long_words=True)
        ImageDraw.Draw(picture).multiline_text((6, 6), reason, _FAULT, _font())
        return picture, "cannot be used", _FAULT
    height, width, channels = item.image.shape
    canvas = _canvas(item, side)
    for reference in list(references.values())[:1]:
        _outline(canvas, reference, dict.fromkeys(colours, _REFERENCE), 1)
    if item.label is not None:
        _outline(canvas, item.label, colours, 2)
    caption = f"{width} x {height} x {channels}"
    if item.label is None:
        caption += ", unlabelled"
    elif references:
        dice = agreement(item.label, next(iter(references.values())), num_classes, list(colours))
        caption += "" if np.isnan(dice) else f", Dice {dice:.2f}"
    return Image.fromarray(canvas), caption, _INK


def _canvas(item: Item, side: int) -> np.ndarray:
    """Give the image at the sheet's scale, (h, w, 3) uint8."""
    image = item.image[..., :3] if item.image.shape[2] >= 3 else item.image[..., :1].repeat(3, axis=2)
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.resize(image.astype(np.float32), size, interpolation=interpolation)  # (h, w, 3)
    low, high = np.percentile(small, [1, 99])
    return ((small - low) / max(high - low, 1e-6) * 255).clip(0, 255).astype(np.uint8)


def _outline(canvas: np.ndarray, label: np.ndarray, colours: dict[int, str], thickness: int) -> None:
    """Draw the edges of each class into the canvas, and stripes where pixels are ignored."""
    size = (canvas.shape[1], canvas.shape[0])
    planes = [
        cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in label.reshape(-1, *label.shape[-2:])
    ]
    small = np.stack(planes) if label.ndim == 3 else planes[0]  # ([K, ]h, w)
    draw_outlines(canvas, small, colours, thickness)
    ignored = (small == IGNORE).any(axis=0) if label.ndim == 3 else small == IGNORE
    rows, columns = np.indices(ignored.shape)
    canvas[ignored & ((rows + columns) % 6 == 0)] = _IGNORED


def _legend_places(names: Sequence[str], width: int) -> tuple[list[tuple[int, int]], int]:
    """Give where each key stands, in as many lines as it takes, and where the pictures begin."""
    places = []
    left, top = _GAP, _GAP + _LINE
    for name in names:
        needed = _KEY + int(_font().getlength(name)) + 2 * _GAP
        if left + needed > width:
            left, top = _GAP, top + _LINE
        places.append((left, top))
        left += needed
    return places, top + _LINE + _GAP


def _draw_head(
    page: Image.Image, title: str, keys: Sequence[tuple[str, str]], places: Sequence[tuple[int, int]]
) -> None:
    draw = ImageDraw.Draw(page)
    draw.text((_GAP, _GAP), title, _INK, _font(bold=True))
    for (name, colour), (left, top) in zip(keys, places, strict=True):
        draw.rectangle((left, top + 5, left + 10, top + 13), colour, _INK)
        draw.text((left + _KEY, top + 1), name, _INK, _font())


def _class_colours(classes: Sequence[str]) -> dict[int, str]:
    """Give each class that is drawn its colour."""
    colours = enumerate(class_colours(classes))
    return {number: colour for number, colour in colours if classes[number] != BACKGROUND}


def _shortened(name: str, width: int) -> str:
    """Cut a name in the middle until it fits."""
    kept = len(name)
    short = name
    while _font().getlength(short) > width and kept > 4:
        kept -= 1
        short = f"{name[: kept // 2]}...{name[-(kept - kept // 2) :]}"
    return short


def _font(bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along, knows Latin, Greek and Cyrillic letters."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), 11)
