"""The nouns of instance segmentation: objects one by one, as stored, as trained on, and as detected.

Letters in shapes, beside those of `segtrain.types`: N instances of one image, L layers, K keypoints, R regions of a
batch. A box is (left, top, right, bottom) in pixels, along the pixels' outer edges: one pixel at the origin has the
box (0, 0, 1, 1).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from torch import Tensor

__all__ = ["MOST_INSTANCES", "Detections", "InstanceBatch", "Instances", "RegionLosses", "Shape", "Targets"]

MOST_INSTANCES = 65535
"""Instances that an image may have: layers are uint16."""


class Shape(NamedTuple):
    """One object, cut out of its image; it may reach beyond the image's border."""

    pixels: np.ndarray
    """(h, w) bool."""
    top: int
    left: int
    kind: int
    """Its class."""
    size: tuple[int, ...]
    """(H, W) of the image."""

    @property
    def diameter(self) -> float:
        """Of the disc of equal area, in pixels."""
        return 2 * float(np.sqrt(self.pixels.sum() / np.pi))

    @property
    def window(self) -> tuple[slice, slice]:
        """Where in the image it lies; only of a shape that does not reach beyond."""
        return slice(self.top, self.top + self.pixels.shape[0]), slice(self.left, self.left + self.pixels.shape[1])

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) around `pixels`."""
        return self.left, self.top, self.left + self.pixels.shape[1], self.top + self.pixels.shape[0]

    def padded(self, margin: int) -> "Shape":
        """Add a margin of pixels, as far as the image has them."""
        height, width = self.pixels.shape
        above, left = min(margin, self.top), min(margin, self.left)
        below = min(margin, self.size[0] - self.top - height)
        right = min(margin, self.size[1] - self.left - width)
        pixels = np.pad(self.pixels, ((above, below), (left, right)))
        return self._replace(pixels=pixels, top=self.top - above, left=self.left - left)

    def within(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the part of `mask` (H, W) under it, as a view, and the part of its pixels that lies on the mask."""
        top, left = max(0, -self.top), max(0, -self.left)
        pixels = self.pixels[top : max(0, mask.shape[0] - self.top), left : max(0, mask.shape[1] - self.left)]
        rows = slice(self.top + top, self.top + top + pixels.shape[0])
        columns = slice(self.left + left, self.left + left + pixels.shape[1])
        return mask[rows, columns], pixels

    def trimmed(self) -> "Shape | None":
        """Cut it to the image and to its own pixels; None where nothing is left."""
        top, left = max(0, -self.top), max(0, -self.left)
        inside = self.pixels[top : max(0, self.size[0] - self.top), left : max(0, self.size[1] - self.left)]
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not len(rows):
            return None
        pixels = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return self._replace(pixels=pixels, top=self.top + top + int(rows[0]), left=self.left + left + int(columns[0]))


class Instances(NamedTuple):
    """The instances of one image as stored: few layers of numbers, however many instances, and they may overlap."""

    layers: np.ndarray
    """(L, H, W) uint16: an instance's row + 1, 0 where there is none; instances of one layer do not overlap."""
    classes: np.ndarray
    """(N,) int64, from 1: class 0 is the background."""
    crowd: np.ndarray
    """(N,) bool: not one object but a region of many, neither to be found nor to be counted against."""
    keypoints: np.ndarray
    """(N, K, 3) float32: x and y in pixels, and 0 = not labelled, 1 = hidden, 2 = visible."""

    @classmethod
    def of(
        cls,
        shapes: Iterable[Shape],
        size: tuple[int, int],
        crowd: np.ndarray | None = None,
        keypoints: np.ndarray | None = None,
    ) -> "Instances":
        """Lay shapes into layers, in their order, each into the first layer where it has room.

        Args:
            shapes: the instances; a shape without a pixel in the image keeps its row and is nowhere.
            size: (H, W) of the image.
            crowd: (N,) bool; None = none is.
            keypoints: (N, K, 3); None = no keypoints.
        """
        layers: list[np.ndarray] = []
        kinds: list[int] = []
        for row, shape in enumerate(shapes, start=1):
            _place(layers, shape, row, size)
            kinds.append(shape.kind)
        count = len(kinds)
        return cls(
            np.stack(layers) if layers else np.zeros((1, *size), np.uint16),
            np.array(kinds, np.int64),
            np.zeros(count, bool) if crowd is None else np.asarray(crowd, bool),
            np.zeros((count, 0, 3), np.float32) if keypoints is None else np.asarray(keypoints, np.float32),
        )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self.layers.shape[1], self.layers.shape[2]

    def shapes(self) -> Iterator[tuple[int, Shape]]:
        """Give each instance that has a pixel, with its row, in the order of the rows."""
        found = {}
        for layer in self.layers:
            for row, window in enumerate(ndimage.find_objects(layer)):
                if window is not None:
                    found[row] = Shape(
                        layer[window] == row + 1, window[0].start, window[1].start, int(self.classes[row]), self.size
                    )
        yield from sorted(found.items())

    def semantic(self, ignore: int) -> np.ndarray:
        """Give class numbers (H, W) uint8; where instances overlap the smaller is seen, and a crowd is `ignore`."""
        label = np.zeros(self.size, np.uint8)
        for row, shape in sorted(self.shapes(), key=lambda one: -int(one[1].pixels.sum())):
            label[shape.window][shape.pixels] = ignore if self.crowd[row] else shape.kind
        return label


def _place(layers: list[np.ndarray], shape: Shape, row: int, size: tuple[int, int]) -> None:
    for layer in layers:
        patch, pixels = shape.within(layer)
        if not patch[pixels].any():
            patch[pixels] = row
            return
    layers.append(np.zeros(size, np.uint16))
    patch, pixels = shape.within(layers[-1])
    patch[pixels] = row


class Detections(NamedTuple):
    """What a model finds in one image, at the image's own scale, the surest first."""

    shapes: list[Shape]
    """Inside the image; a shape may have no pixel set."""
    scores: np.ndarray
    """(N,) float32 in [0, 1]."""
    boxes: np.ndarray
    """(N, 4) float32, the model's own, which need not be those of the shapes."""
    keypoints: np.ndarray
    """(N, K, 3) float32: x, y, and how sure the model is."""


class Targets(NamedTuple):
    """The instances of one image of a batch, and how far to trust each."""

    layers: Tensor
    """(L, H, W) int32: an instance's row + 1, 0 where there is none."""
    boxes: Tensor
    """(N, 4) float32."""
    labels: Tensor
    """(N,) int64, from 1."""
    trust: Tensor
    """(N,) float32 in [0, 1]; 0 = ignored: what is found there is neither right nor wrong."""
    keypoints: Tensor
    """(N, K, 3) float32."""

    def masks(self) -> Tensor:
        """Give the instances' pixels, (N, H, W) bool."""
        masks = self.layers.new_zeros((len(self.labels), *self.layers.shape[1:]), dtype=bool)  # type: ignore[call-overload]
        rows = 1 + self.layers.new_tensor(range(len(self.labels)))[:, None, None]  # (N, 1, 1)
        for layer in self.layers:
            masks |= layer == rows
        return masks


class InstanceBatch(NamedTuple):
    """What a model of instances and its strategies see; its last columns are those of `segtrain.types.Batch`."""

    image: Tensor
    """(B, D, H, W) float, normalised."""
    targets: list[Targets]
    """B of them."""
    clean: Tensor
    labelled: Tensor
    annotator: Tensor
    group: Tensor
    index: Tensor  # type: ignore[assignment]  # a tuple's own index() is never needed


class RegionLosses(NamedTuple):
    """What a region-based model makes of a batch: a loss for each region that it looked at.

    A region belongs to the instance that it overlaps most, if by half, or to the background.
    """

    image: Tensor
    """(R,) int64: which image of the batch it lies in."""
    instance: Tensor
    """(R,) int64: its instance's row in the image's targets; -1 = background."""
    label: Tensor
    """(R,) int64: the class that it should have; 0 = background."""
    probs: Tensor
    """(R, C) float32: what the model believes of it, without gradient."""
    trust: Tensor
    """(R,) float32 in [0, 1]: the trust in its instance; 1 of the background."""
    each: dict[str, Tensor]
    """Losses by name, (R,) each: "classification", "box", "mask", "keypoint"; 0 where the background has none."""
    dense: dict[str, Tensor]
    """Losses of the proposals, scalars: "objectness", "rpn_box"."""
