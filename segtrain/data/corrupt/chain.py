"""Several mistakes together: one after another, or one of them."""

from dataclasses import dataclass

import numpy as np

from segtrain.data.corrupt.base import Corruption, require

__all__ = ["CorruptionChain", "CorruptionChoice"]


@dataclass(kw_only=True)
class CorruptionChain:
    """One mistake after another, in the order given; without steps the mask stays as it is.

    Args:
        steps: the mistakes, each under its name.
    """

    steps: dict[str, Corruption]

    @property
    def least_kinds(self) -> int:
        return max((step.least_kinds for step in self.steps.values()), default=0)

    @property
    def num_annotators(self) -> int:
        return max((step.num_annotators for step in self.steps.values()), default=0)

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        mask = mask.copy()
        for step, child in zip(self.steps.values(), rng.spawn(len(self.steps)), strict=True):
            mask = step(
                mask, num_classes, child, annotator
            )  # own random numbers: a step does not hang on those before it
        return mask


@dataclass(kw_only=True)
class CorruptionChoice:
    """One of several mistakes for each sample, with equal chance: annotators of different habits.

    Args:
        steps: the mistakes to choose from, each under its name.
    """

    steps: dict[str, Corruption]

    def __post_init__(self) -> None:
        require(len(self.steps) > 0, self, "steps", "at least one")

    @property
    def least_kinds(self) -> int:
        return max(step.least_kinds for step in self.steps.values())

    @property
    def num_annotators(self) -> int:
        return max(step.num_annotators for step in self.steps.values())

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        chosen = rng.integers(len(self.steps))
        return list(self.steps.values())[chosen](mask, num_classes, rng, annotator)
