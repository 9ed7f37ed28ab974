"""The pictures of an example: its image, and transparent layers of labels and errors to lay over it."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from segtrain.reports.colours import CONFUSED, EXTRA, MISSED
from segtrain.reports.folder import IGNORED

__all__ = ["error_layer", "image_uri", "label_layer", "label_planes", "read_label"]

_SIDE = 256  # small masks are drawn larger, so that an outline stays thin
_FILL, _OUTLINE = 0.22, 2  # opacity; pixels


def image_uri(path: Path) -> tuple[str, int, int]:
    """Give an image as a data URI, in the smaller of PNG and JPEG, with its width and height."""
    with Image.open(path) as opened:
        image = opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    png, jpeg = io.BytesIO(), io.BytesIO()
    image.save(png, "PNG")
    image.save(jpeg, "JPEG", quality=90, subsampling=0)
    small, kind = min((png.getvalue(), "png"), (jpeg.getvalue(), "jpeg"), key=lambda made: len(made[0]))
    return _uri(small, kind), image.width, image.height


def read_label(path: Path) -> np.ndarray:
    """Read class numbers or bit masks (H, W)."""
    with Image.open(path) as image:
        return np.asarray(image)


def label_planes(label: np.ndarray, num_classes: int, overlapping: bool) -> tuple[np.ndarray, np.ndarray]:
    """Split a label (H, W) into one mask for each class (C, H, W) and the ignored pixels (H, W).

    Overlapping classes are bits, of which eight bits hold seven classes: 255 is always an ignored pixel.
    """
    ignored = label == IGNORED  # (H, W)
    numbers = np.arange(num_classes)[:, None, None]
    planes = (label >> numbers) & 1 == 1 if overlapping else label == numbers  # (C, H, W)
    return planes & ~ignored, ignored


def label_layer(planes: np.ndarray, ignored: np.ndarray, colours: list[str], hidden: int | None) -> str:
    """Draw a label as outlines over a faint fill.

    Args:
        planes: (C, H, W) bool, a mask for each class.
        ignored: (H, W) bool, drawn as grey stripes.
        colours: one "#rrggbb" for each class.
        hidden: the background's number, which is not drawn.
    """
    drawn = [number for number in range(len(planes)) if number != hidden and planes[number].any()]
    masks, ignored = _enlarge(planes[drawn]), _enlarge(ignored)
    layer = _Layer(ignored.shape)
    for number, mask in zip(drawn, masks, strict=True):
        layer.paint(mask, colours[number], _FILL)
    for number, mask in zip(drawn, masks, strict=True):
        layer.paint(mask & ~_inside(mask), colours[number], 1.0)
    if ignored.any():
        rows, columns = np.indices(ignored.shape)
        layer.paint(ignored & ((rows + columns) // 4 % 2 == 0), "#bbbbbb", 0.8)
    return layer.uri()


def error_layer(truth: np.ndarray, ignored: np.ndarray, predicted: np.ndarray, hidden: int | None) -> str:
    """Draw where a prediction and a label differ: missed, extra, or the wrong class.

    Args:
        truth: (C, H, W) bool, the label's masks.
        ignored: (H, W) bool, never an error.
        predicted: (C, H, W) bool.
        hidden: the background's number; None = every class counts.
    """
    shown = [number for number in range(len(truth)) if number != hidden]
    lost = (truth & ~predicted)[shown].any(axis=0) & ~ignored  # (H, W)
    added = (predicted & ~truth)[shown].any(axis=0) & ~ignored  # (H, W)
    layer = _Layer(ignored.shape)
    layer.paint(lost & ~added, MISSED, 1.0)
    layer.paint(added & ~lost, EXTRA, 1.0)
    layer.paint(lost & added, CONFUSED, 1.0)
    return layer.uri()


class _Layer:
    """A transparent picture painted in few colours, kept as numbers of a palette."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.numbers = np.zeros(shape, np.intp)  # (H, W)
        self.palette = [(0.0, 0.0, 0.0, 0.0)]  # red, green, blue in [0, 255], opacity in [0, 1]

    def paint(self, where: np.ndarray, colour: str, opacity: float) -> None:
        """Lay a colour over the pixels of the mask `where` (H, W); what is below shines through."""
        under = self.numbers[where]
        table = np.zeros(len(self.palette), np.intp)
        for number in np.flatnonzero(np.bincount(under)):
            table[number] = len(self.palette)
            self.palette.append(_over(colour, opacity, self.palette[number]))
        self.numbers[where] = table[under]

    def uri(self) -> str:
        """Give a PNG: a few kB with a palette; with more than 256 colours, without."""
        colours = np.array([(*rgb, 255 * opacity) for *rgb, opacity in self.palette]).round().astype(np.uint8)
        buffer = io.BytesIO()
        if len(colours) > 256:
            Image.fromarray(colours[self.numbers]).save(buffer, "PNG")
            return _uri(buffer.getvalue(), "png")
        image = Image.fromarray(self.numbers.astype(np.uint8))
        image.putpalette(colours[:, :3].tobytes())
        image.save(buffer, "PNG", transparency=colours[:, 3].tobytes())
        return _uri(buffer.getvalue(), "png")


def _over(colour: str, opacity: float, below: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Blend a colour over another (Porter & Duff 1984, "over")."""
    *under, shine = below
    shine *= 1 - opacity
    total = opacity + shine
    red, green, blue = (
        (int(colour[at : at + 2], 16) * opacity + value * shine) / total
        for at, value in zip((1, 3, 5), under, strict=True)
    )
    return red, green, blue, total


def _inside(mask: np.ndarray) -> np.ndarray:
    """Take the outermost pixels off a mask; the picture's border is no outline."""
    for _ in range(_OUTLINE):
        wide = np.pad(mask, 1, constant_values=True)
        mask = mask & wide[2:, 1:-1] & wide[:-2, 1:-1] & wide[1:-1, 2:] & wide[1:-1, :-2]
    return mask


def _enlarge(masks: np.ndarray) -> np.ndarray:
    times = max(1, _SIDE // max(masks.shape[-2:]))
    return masks.repeat(times, axis=-2).repeat(times, axis=-1) if times > 1 else masks


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
