"""Several simulated annotators, each with habits of his own."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from segtrain.data.corrupt.base import Draw, Shape, require
from segtrain.data.corrupt.outline import move_outline, smooth_field
from segtrain.data.corrupt.strength import LengthCorruption

__all__ = ["Annotator", "Habit"]


class Habit(NamedTuple):
    """How one annotator errs."""

    bias: float
    """How far outward his outlines lie; negative: inward."""
    jitter: float
    """Standard deviation of his outlines."""
    miss: float
    """Chance that he overlooks an object."""


@dataclass(kw_only=True)
class Annotator(LengthCorruption):
    """Annotators who err each in his own way: too tight or too wide, with a more or less steady hand, overlooking more
    or fewer objects. Habits are drawn once for each annotator; every sample is drawn by one of them.

    Over many annotators the error is unbiased, of one of them it is not. Where the data say who drew a sample
    (`samples.annotator`), that annotator's habits are taken; else the samples get one each, and say so. Data without
    masks of several annotators then have them, a1, a2 and so on, of each sample that has a label.

    Args:
        num_annotators: at least 1.
        bias: how far outward or inward an annotator's outlines lie: standard deviation over the annotators.
        jitter: standard deviation of an annotator's outlines: mean over the annotators, drawn evenly from 0 to twice.
        length: over which that jitter changes; at least 1 pixel is taken.
        miss: chance that an object is overlooked: mean over the annotators, drawn evenly from 0 to twice, in [0, 0.5].
        seed: of the habits; who draws a sample, and how, hangs on the run's seed.
    """

    num_annotators: int = 5
    bias: float = 2.0
    jitter: float = 1.0
    length: float = 6.0
    miss: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.num_annotators >= 1, self, "num_annotators", "at least 1")
        require(self.bias >= 0, self, "bias", "at least 0")
        require(self.jitter >= 0, self, "jitter", "at least 0")
        require(self.length > 0, self, "length", "greater than 0")
        require(0 <= self.miss <= 0.5, self, "miss", "in [0, 0.5]")
        require(self.seed >= 0, self, "seed", "at least 0")

    def habit(self, annotator: int) -> Habit:
        """Give the habits of annotator number 0, 1, ..."""
        rng = np.random.default_rng([self.seed, annotator])
        return Habit(rng.normal(0, self.bias), rng.uniform(0, 2 * self.jitter), rng.uniform(0, 2 * self.miss))

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        who = int(rng.integers(self.num_annotators)) if annotator is None else annotator
        return super().__call__(mask, num_classes, rng, who)

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        assert draw.annotator is not None
        habit = self.habit(draw.annotator)
        if draw.rng.random() < habit.miss:
            return shape._replace(pixels=np.zeros_like(shape.pixels))
        bias, jitter = self._pixels(habit.bias, shape), self._pixels(habit.jitter, shape)
        window = shape.padded(int(max(0.0, bias) + 4 * jitter) + 1)
        length = max(1.0, self._pixels(self.length, shape))
        return move_outline(window, bias + jitter * smooth_field(window.pixels.shape, length, draw.rng))
