"""How images and labels are shown to people: the same colours and the same outlines everywhere."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

__all__ = ["BACKGROUND", "class_colours", "draw_outlines", "hue", "rgb", "visible"]

BACKGROUND = "background"
"""The class of this name is left out of mean metrics and of pictures."""

# Paul Tol's "bright" scheme (SRON technical note SRON/EPS/TN/09-002, 2021): told apart by the colour-blind.
_GREY = "#999999"
_CLASSES = ("#66ccee", "#ee6677", "#ccbb44", "#228833", "#aa3377", "#4477aa")


def class_colours(classes: Sequence[str]) -> list[str]:
    """Give each class its colour, "#rrggbb"; a class named "background" is grey.

    Past six classes no scheme keeps all apart for every eye: hues then go round in golden steps and names decide.
    """
    colours, used = [], 0
    for name in classes:
        if name == BACKGROUND:
            colours.append(_GREY)
        else:
            colours.append(_CLASSES[used] if used < len(_CLASSES) else hue(used))
            used += 1
    return colours


def hue(index: int) -> str:
    """Give the index-th of endless colours around the wheel, "#rrggbb"."""
    red, green, blue = colorsys.hls_to_rgb((index * 0.618034) % 1, (0.45, 0.65, 0.55)[index % 3], 0.6)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def rgb(colour: str) -> tuple[int, int, int]:
    """Give "#rrggbb" as three numbers in [0, 255]."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def visible(image: np.ndarray) -> np.ndarray:
    """Stretch an image of any number type and channels for the eye: (H, W, D) -> (H, W, 3) uint8.

    The 1st and 99th percentile become black and white; of more than three channels the first three are seen.
    """
    shown = image[..., :3] if image.shape[-1] >= 3 else image[..., :1]
    low, high = np.percentile(shown, (1, 99))
    stretched = (shown.astype(np.float32) - low) / max(high - low, 1e-6)
    eight_bits = np.rint(stretched.clip(0, 1) * 255).astype(np.uint8)
    return np.array(np.broadcast_to(eight_bits, (*image.shape[:2], 3)))  # a copy, as a broadcast cannot be drawn on


def draw_outlines(canvas: np.ndarray, label: np.ndarray, colours: dict[int, str], thickness: int = 1) -> None:
    """Draw the edges of classes into a picture.

    Args:
        canvas: (H, W, 3) uint8, changed in place.
        label: (H, W) class numbers, or (K, H, W) planes of overlapping classes.
        colours: of the classes to draw, by number.
        thickness: pixels.
    """
    for number, colour in colours.items():
        inside = label[number] == 1 if label.ndim == 3 else label == number
        edges, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, edges, -1, rgb(colour), thickness)
