"""Several annotators of the same images: their masks become one, before the training begins."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise.ballots import Ballots, count_ballots, hardened, vote_shares
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.fusion import Case, dawid_skene, settled, staple
from segtrain.types import IGNORE, Samples, TrainingView

__all__ = ["AnnotatorFusion", "several"]


class AnnotatorFusion(NoiseStrategy):
    """Train on what the masks of several annotators say together, of every image that has them.

    "majority" counts votes. "staple" weighs each mask by how it fares in its image (EM, Warfield et al. 2004).
    "confusion" learns how often each annotator takes each class for each, over the whole data set, beside each
    image's own shares of the classes (EM, Dawid & Skene 1979, eq. 2.3 to 2.5); it tells the careless from the careful
    who drew many images each. None of them can see an error that all annotators share.

    Labels are rewritten once, before the first epoch, where a sample that is not clean has two masks or more; the given
    label takes part only where `data.annotations` names it. Pixels that no annotator labelled are ignored.

    Costs: nothing in a step; one reading of all masks before the first epoch, of `max_images` one more.

    Args:
        num_classes: of exclusive labels.
        method: "majority", "staple" or "confusion".
        soft: true: labels are probabilities (shares of votes); false: the likeliest class.
        pixels: what "staple" and "confusion" learn from and decide on. "disputed": where annotators differ; the others
            stay as all say. "all": as published; much background then makes everybody look sure of it, and whoever
            draws an object is believed, so that objects come out too large.
        iterations: of the EM, at most, >= 1.
        tolerance: the EM ends when no rate moves by more, > 0.
        max_images: images that "confusion" learns from, over all processes and evenly spread, >= 1.
    """

    sides = frozenset({"pixels"})

    place: Tensor

    def __init__(
        self,
        num_classes: int,
        method: Literal["majority", "staple", "confusion"] = "majority",
        soft: bool = True,
        pixels: Literal["disputed", "all"] = "disputed",
        iterations: int = 50,
        tolerance: float = 1e-4,
        max_images: int = 1000,
    ) -> None:
        super().__init__()
        faults = [
            f"The '{name}' of AnnotatorFusion must be {law}, got {value}"
            for name, value, law, holds in (
                ("method", method, "majority, staple or confusion", method in ("majority", "staple", "confusion")),
                ("pixels", pixels, "disputed or all", pixels in ("disputed", "all")),
                ("iterations", iterations, "at least 1", iterations >= 1),
                ("tolerance", tolerance, "greater than 0", tolerance > 0),
                ("max_images", max_images, "at least 1", max_images >= 1),
            )
            if not holds
        ]
        if faults:
            raise ConfigError("noise.annotator_fusion cannot be built:", faults)
        self.num_classes = num_classes
        self.method = method
        self.soft = soft
        self.pixels = pixels
        self.iterations = iterations
        self.tolerance = tolerance
        self.max_images = max_images

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not several(samples):
            raise ConfigError(
                "noise=annotator_fusion makes one mask of several, and none of the training samples that are not "
                "clean has masks by two annotators or more: name them by data.annotations."
            )
        self.register_buffer("place", torch.zeros(()), persistent=False)  # where tables are added up

    def audit(self, view: TrainingView, epoch: int) -> None:
        if epoch > 0:
            return
        chosen, mine = several(view.samples), set(view.share)
        confusion = self._learned(view, chosen, mine) if self.method == "confusion" else None
        for index in chosen:
            if index in mine:
                who, masks = _masks(view, index)
                view.relabel(index, *self._fused(masks, None if confusion is None else confusion[:, who]))

    def _learned(self, view: TrainingView, chosen: list[int], mine: set[int]) -> np.ndarray:
        """Give how often each annotator takes each class for each, (1, A, C, C) or (K, A, 2, 2)."""
        cases = []
        for index in chosen[:: -(-len(chosen) // self.max_images)]:
            if index in mine:
                who, masks = _masks(view, index)
                for number, problem in enumerate(_problems(masks)):
                    ballots, _ = count_ballots(problem)
                    cases.append(Case(number, who, ballots.only(self._open(ballots))))
        first = _masks(view, chosen[0])[1]  # a process may have no case of its own
        size = (len(_problems(first)), len(view.annotation_names), self._num_classes(first))

        def gather(table: np.ndarray) -> np.ndarray:
            return view.gather(torch.from_numpy(table).to(self.place)).cpu().double().numpy()

        return dawid_skene(cases, size, gather, self.iterations, self.tolerance)

    def _fused(self, masks: np.ndarray, confusion: np.ndarray | None) -> tuple[Tensor, Tensor]:
        """Make a label of masks (A, H, W) or (A, K, H, W): probabilities and weight, as `relabel` takes them."""
        size, num_classes = masks.shape[-2:], self._num_classes(masks)
        fused, known = [], np.ones(size, bool)
        for number, problem in enumerate(_problems(masks)):
            ballots, places = count_ballots(problem)
            probs = self._decided(ballots, num_classes, None if confusion is None else confusion[number])
            fused.append((probs if self.soft else hardened(probs)).T[:, places].reshape(num_classes, *size))
            known &= (ballots.votes != IGNORE).any(axis=1)[places].reshape(size)
        label = fused[0] if masks.ndim == 3 else np.stack(fused)  # (C, H, W) or (K, 2, H, W)
        return torch.from_numpy(label).float(), torch.from_numpy(known).float()

    def _decided(self, ballots: Ballots, num_classes: int, confusion: np.ndarray | None) -> np.ndarray:
        """Give the probability of each class where pixels were labelled in each way, (P, C)."""
        probs = vote_shares(ballots.votes, num_classes)
        chosen = self._open(ballots)
        if self.method == "majority" or not chosen.any():
            return probs
        part = ballots.only(chosen)
        if confusion is None:
            probs[chosen], _ = staple(part, num_classes, self.iterations, self.tolerance)
        else:
            probs[chosen] = settled(part, confusion)
        return probs

    def _open(self, ballots: Ballots) -> np.ndarray:
        return ballots.disputed if self.pixels == "disputed" else (ballots.votes != IGNORE).any(axis=1)

    def _num_classes(self, masks: np.ndarray) -> int:
        return self.num_classes if masks.ndim == 3 else 2


def several(samples: Samples) -> list[int]:
    """Give the samples with two masks or more whose label may be rewritten."""
    return ((samples.annotations >= 2) & ~samples.clean).nonzero().flatten().tolist()


def _masks(view: TrainingView, index: int) -> tuple[list[int], np.ndarray]:
    """Give the numbers of a sample's annotators, and their masks (A, H, W) or (A, K, H, W)."""
    numbers = {name: number for number, name in enumerate(view.annotation_names)}
    masks = view.annotations(index)
    return [numbers[name] for name in masks], np.stack([mask.numpy() for mask in masks.values()])


def _problems(masks: np.ndarray) -> np.ndarray:
    """Give the masks flat and problem by problem, (1, A, N), or (K, A, N) of overlapping classes."""
    planes = masks[:, None] if masks.ndim == 3 else masks
    return planes.reshape(*planes.shape[:2], -1).swapaxes(0, 1)
