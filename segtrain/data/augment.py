"""Random changes to training images that their masks follow, exactly determined by a seed."""

import os
import random
from typing import Literal

import cv2
import numpy as np

from segtrain.errors import ConfigError
from segtrain.types import IGNORE

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would ask the network for a newer version

import albumentations as A

__all__ = ["Augment"]

FLIPS = (True, False, "horizontal")


class Augment:
    """Flips, turns, stretches and photographs an image anew; 0 or false switches a change off.

    Geometry moves image and masks alike: the image is mirrored at its border, masks become `IGNORE` there. Changes of
    brightness and the like touch the image alone; their strengths are shares of the range of values, which is 0..255
    for uint8 and, for uint16 and float32, each channel's own least to largest value.

    Args:
        flip: left-right and up-down, each with chance 1/2; "horizontal": left-right alone, for images that have an up.
        rotate90: by a quarter turn, 0 to 3 times.
        rotate: largest angle, in degrees, [0, 180].
        scale: largest enlargement or reduction: 0.25 gives factors from 0.8 to 1.25, [0, 1].
        translate: largest shift, a share of the side, [0, 0.5].
        distort: largest stretch of a cell of a coarse grid, a share of the cell, [0, 0.9].
        grid: cells of that grid on a side, at least 1.
        brightness: largest change, a share of the range, [0, 1].
        contrast: largest change, as a factor of 1 +- contrast, [0, 1].
        gamma: largest change of the exponent, as a factor of 1 + gamma or its inverse, [0, 2].
        noise: largest standard deviation of Gaussian noise, a share of the range, [0, 1].
        blur: largest standard deviation of a Gaussian blur, in pixels, [0, 10].
        chance: probability of each change but flips and quarter turns, (0, 1].

    Raises:
        ConfigError: a value is out of its range; all such values are named.
    """

    def __init__(
        self,
        *,
        flip: bool | Literal["horizontal"] = False,
        rotate90: bool = False,
        rotate: float = 0.0,
        scale: float = 0.0,
        translate: float = 0.0,
        distort: float = 0.0,
        grid: int = 5,
        brightness: float = 0.0,
        contrast: float = 0.0,
        gamma: float = 0.0,
        noise: float = 0.0,
        blur: float = 0.0,
        chance: float = 0.5,
    ) -> None:
        _require(
            flip,
            rotate=(rotate, 0, 180), scale=(scale, 0, 1), translate=(translate, 0, 0.5), distort=(distort, 0, 0.9),
            grid=(grid, 1, 100), brightness=(brightness, 0, 1), contrast=(contrast, 0, 1), gamma=(gamma, 0, 2),
            noise=(noise, 0, 1), blur=(blur, 0, 10), chance=(chance, 0.01, 1),
        )  # fmt: skip

        def moves(**border: int) -> list[A.BasicTransform]:
            candidates = [
                (flip, A.HorizontalFlip(p=0.5)),
                (flip is True, A.VerticalFlip(p=0.5)),
                (rotate90, A.RandomRotate90(p=1)),
                (rotate or scale or translate, _affine(rotate, scale, translate, chance, border)),
                (distort, A.GridDistortion(grid, distort, p=chance, **border)),
            ]
            return [move for wanted, move in candidates if wanted]

        # The same moves twice, driven by the same random numbers: only so can borders differ.
        self._move_image = A.Compose(moves(border_mode=cv2.BORDER_REFLECT_101))
        self._move_masks = A.Compose(moves(border_mode=cv2.BORDER_CONSTANT, fill_mask=IGNORE))
        self._photograph = A.Compose(_photography(brightness, contrast, gamma, noise, blur, chance))

    def __call__(self, image: np.ndarray, masks: list[np.ndarray], seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Change an image (H, W, D) and its masks, each (..., H, W) uint8; the same `seed` gives the same change."""
        moved, taken = np.random.SeedSequence(seed).generate_state(2, np.uint64).tolist()
        if self._move_image.transforms:
            image = _seeded(self._move_image, moved)(image=image)["image"]
            masks = self._moved_masks(masks, moved)
        image = np.atleast_3d(image)  # some changes drop an axis of length 1
        if self._photograph.transforms:
            image = self._photographed(image, taken)
        return np.ascontiguousarray(image), [np.ascontiguousarray(mask) for mask in masks]

    def _moved_masks(self, masks: list[np.ndarray], seed: int) -> list[np.ndarray]:
        if not masks:
            return []
        planes = [plane for mask in masks for plane in mask.reshape(-1, *mask.shape[-2:])]
        # Plane by plane: as one image of many channels, all but the first would be filled with 0.
        moved = np.stack(_seeded(self._move_masks, seed)(image=planes[0][..., None], masks=planes)["masks"])
        ends = np.cumsum([mask.size // planes[0].size for mask in masks])[:-1]
        parts = zip(np.split(moved, ends), masks, strict=True)
        return [part.reshape(*mask.shape[:-2], *part.shape[-2:]) for part, mask in parts]

    def _photographed(self, image: np.ndarray, seed: int) -> np.ndarray:
        if image.dtype == np.uint8:
            return self._taken(image, seed)
        # albumentations knows no uint16, and floats in [0, 1] only; 12 bits in a uint16 have their own range, too.
        values = image.astype(np.float32)  # (H, W, D)
        least = values.min(axis=0).min(axis=0)  # (D,); one axis at a time is 20 times as fast
        span = np.maximum(values.max(axis=0).max(axis=0) - least, np.finfo(np.float32).tiny)
        values -= least
        values /= span
        values = self._taken(values, seed)
        values *= span
        values += least
        return values if image.dtype == np.float32 else np.rint(values).astype(image.dtype)

    def _taken(self, image: np.ndarray, seed: int) -> np.ndarray:
        taken: np.ndarray = _seeded(self._photograph, seed)(image=image)["image"]
        return np.atleast_3d(taken)


def _seeded(changes: A.Compose, seed: int) -> A.Compose:
    # Not set_random_seed, which gives every transform the same numbers: then flips come both or not at all.
    changes.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return changes


def _affine(rotate: float, scale: float, translate: float, chance: float, border: dict[str, int]) -> A.BasicTransform:
    return A.Affine(
        rotate=(-rotate, rotate),
        scale=(1 / (1 + scale), 1 + scale),
        keep_ratio=True,
        balanced_scale=scale > 0,  # as often smaller as larger
        translate_percent=(-translate, translate),
        p=chance,
        **border,
    )


def _photography(
    brightness: float, contrast: float, gamma: float, noise: float, blur: float, chance: float
) -> list[A.BasicTransform]:
    changes: list[A.BasicTransform] = []
    if brightness or contrast:
        changes.append(A.RandomBrightnessContrast(brightness, contrast, p=chance))
    if gamma:
        changes.append(A.RandomGamma((100 / (1 + gamma), 100 * (1 + gamma)), p=chance))
    if blur:
        changes.append(A.GaussianBlur(blur_limit=0, sigma_limit=(min(0.1, blur), blur), p=chance))
    if noise:
        changes.append(A.GaussNoise(std_range=(0.0, noise), p=chance))
    return changes


def _require(flip: object, **ranges: tuple[float, float, float]) -> None:
    faults = [] if flip in FLIPS else [f"The 'flip' of Augment must be true, false or horizontal, got {flip}"]
    faults += [
        f"The '{key}' of Augment must be in [{low}, {high}], got {value}"
        for key, (value, low, high) in ranges.items()
        if not low <= value <= high
    ]
    if faults:
        raise ConfigError("the augmentation cannot be built:", faults)
