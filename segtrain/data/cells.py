"""Pictures of cells as a fluorescence microscope might take them, with the true outline of every cell."""

from typing import NamedTuple

import cv2
import numpy as np

__all__ = ["Cell", "draw_cells", "photograph"]


class Cell(NamedTuple):
    """One cell, and where it is in the picture."""

    window: tuple[slice, slice]
    """The rows and columns (h, w) that it lies in."""
    pixels: np.ndarray
    """(h, w) bool, all of it, also what lies under another cell."""
    glow: np.ndarray
    """(h, w) float32, how bright it is at each pixel, 0 outside."""
    kind: int
    """Which sort of cell, counted from 0: the higher, the more spindle-like."""


def draw_cells(size: int, radius: list[float], coverage: float, num_kinds: int, rng: np.random.Generator) -> list[Cell]:
    """Place cells until they cover about the share `coverage` of a square picture.

    About half of them touch or overlap an earlier one. They differ in size, shape and brightness.

    Args:
        size: side of the picture in pixels.
        radius: [smallest, largest], in pixels.
        coverage: share of the picture, in (0, 1).
        num_kinds: sorts of cells, equally frequent; with one, shapes run from round to slender.
        rng: where the random numbers come from.
    """
    cells: list[Cell] = []
    area = 0.0
    middle, reach = np.zeros(2), 0.0
    while area < coverage * size**2:
        kind = int(rng.integers(num_kinds))
        slenderness = rng.uniform(1, 2.2) if num_kinds == 1 else rng.uniform(0.9, 1.1) + 1.6 * kind / (num_kinds - 1)
        extent = rng.uniform(radius[0], radius[1])
        if cells and rng.random() < 0.5:  # beside the one before, as after a division
            turn = rng.uniform(0, 2 * np.pi)
            middle = middle + (reach + extent) * rng.uniform(0.8, 1.05) * np.array([np.cos(turn), np.sin(turn)])
        else:
            middle = rng.uniform(-0.05, 1.05, 2) * size
        reach = extent
        cells.append(_draw_cell(size, middle, extent, slenderness, kind, rng))
        area += np.pi * extent**2
    return cells


def _draw_cell(
    size: int, middle: np.ndarray, radius: float, slenderness: float, kind: int, rng: np.random.Generator
) -> Cell:
    outline = _outline(middle, radius, slenderness, rng)
    nucleus = _outline(middle + rng.normal(0, 0.12 * radius, 2), rng.uniform(0.3, 0.5) * radius, 1.2, rng)
    least = np.clip(np.floor(outline.min(axis=0)).astype(int) - 1, 0, size - 1)
    most = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 2, 1, size)
    pixels, inner = np.zeros((2, most[1] - least[1], most[0] - least[0]), np.uint8)
    _fill(pixels, outline - least, 1)
    _fill(inner, nucleus - least, 1)
    depth = cv2.distanceTransform(pixels, cv2.DIST_L2, 3)
    thickness = np.minimum(depth / (rng.uniform(0.3, 0.9) * radius), 1)  # cells are flat at their rim
    brightness = np.exp(rng.uniform(np.log(0.13), np.log(0.55)))
    glow = brightness * (0.35 + 0.65 * thickness) * (1 + rng.uniform(-0.5, 0.8) * inner) * pixels
    return Cell((slice(least[1], most[1]), slice(least[0], most[0])), pixels > 0, glow.astype(np.float32), kind)


def _fill(canvas: np.ndarray, outline: np.ndarray, value: float) -> None:
    """Fill an outline (N, 2) of columns and rows, to a sixteenth of a pixel."""
    cv2.fillPoly(canvas, [np.round(outline * 16).astype(np.int32)], value, shift=4)


def _outline(middle: np.ndarray, radius: float, slenderness: float, rng: np.random.Generator) -> np.ndarray:
    """Give a wavy ellipse of the area of a disc of `radius`, as 48 corners (48, 2) of column and row."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)  # (48,)
    order = np.arange(2, 6)[:, None]  # (4, 1)
    waves = rng.normal(0, 0.12, (4, 1)) / order * np.cos(order * angle + rng.uniform(0, 2 * np.pi, (4, 1)))
    distance = radius * (1 + 1.5 * waves.sum(axis=0))  # (48,)
    long, short = distance * np.cos(angle) * np.sqrt(slenderness), distance * np.sin(angle) / np.sqrt(slenderness)
    turn = rng.uniform(0, 2 * np.pi)
    across = middle[0] + long * np.cos(turn) - short * np.sin(turn)
    down = middle[1] + long * np.sin(turn) + short * np.cos(turn)
    return np.stack([across, down], axis=-1)  # (48, 2)


def photograph(cells: list[Cell], size: int, radius: list[float], rng: np.random.Generator) -> np.ndarray:
    """Take the picture: texture, what is no cell, uneven light, blur and noise; gives (H, W, 1) uint8."""
    scene = np.zeros((size, size), np.float32)
    for cell in cells:
        under = scene[cell.window]
        scene[cell.window] = np.maximum(under, cell.glow) + 0.25 * np.minimum(under, cell.glow)  # brighter in overlaps
    scene *= 1 + rng.uniform(0.15, 0.45) * _grain(size, 1.2, rng) + rng.uniform(0.1, 0.3) * _grain(size, 3.5, rng)
    scene += _distractors(size, radius, rng)
    background = rng.uniform(0.06, 0.20) * (1 + 0.12 * _grain(size, size / 12, rng))
    light = _light(size, rng)
    photons = rng.uniform(60, 300)
    seen = cv2.GaussianBlur((np.maximum(scene, 0) + background) * light, (0, 0), rng.uniform(0.6, 1.3))
    counts = rng.poisson(photons * np.maximum(seen, 0)) / photons + rng.normal(0, 0.012, seen.shape)
    return np.clip(counts * rng.uniform(200, 330), 0, 255).astype(np.uint8)[..., None]  # (H, W, 1)


def _grain(size: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Give noise (H, W) of mean 0 and deviation 1 whose grains are about `scale` pixels wide."""
    noise = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), scale)
    return (noise - noise.mean()) / noise.std()


def _light(size: int, rng: np.random.Generator) -> np.ndarray:
    """Give the uneven light (H, W): a slope across the picture and darker corners."""
    across, down = np.meshgrid(*[np.linspace(-1, 1, size, dtype=np.float32)] * 2)
    turn = rng.uniform(0, 2 * np.pi)
    slope = across * np.cos(turn) + down * np.sin(turn)
    return 1 + rng.uniform(0, 0.35) * slope - rng.uniform(0, 0.25) * (across**2 + down**2) / 2


def _distractors(size: int, radius: list[float], rng: np.random.Generator) -> np.ndarray:
    """Give the light (H, W) of what is no cell: blurs from out of focus, bright specks and fibres."""
    haze, specks = np.zeros((2, size, size), np.float32)
    for _ in range(rng.poisson(2 * (size / 96) ** 2)):
        middle = rng.uniform(0, size, 2)
        shape = _outline(middle, rng.uniform(0.6, 1.3) * radius[1], rng.uniform(1, 1.6), rng)
        _fill(haze, shape, float(rng.uniform(0.08, 0.30)))
    for _ in range(rng.poisson(4 * (size / 96) ** 2)):
        middle = rng.uniform(0, size, 2)
        shape = _outline(middle, rng.uniform(0.8, 2.5), rng.uniform(1, 2.5), rng)
        _fill(specks, shape, float(rng.uniform(0.15, 0.7)))
    for _ in range(rng.poisson(0.8 * (size / 96) ** 2)):
        start, end = np.round(rng.uniform(0, size, 2) + rng.normal(0, size / 5, (2, 2))).astype(int).tolist()
        cv2.line(specks, start, end, float(rng.uniform(0.1, 0.35)), 1, cv2.LINE_AA)
    return cv2.GaussianBlur(haze, (0, 0), rng.uniform(0.4, 0.9) * radius[0]) + specks
