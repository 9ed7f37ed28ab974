"""Tri-network: three networks, each trained on the labels that the other two both find easy to believe."""

from torch import Tensor, nn

from segtrain.noise.base import NoiseStrategy
from segtrain.noise.exchange import SmallLossExchange
from segtrain.noise.peers import Reinitialise
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["TriNetwork"]


class TriNetwork(NoiseStrategy):
    """Train two peers beside the model; what two networks both find easy teaches the third (Zhang et al. 2020).

    "Robust Medical Image Segmentation from Non-expert Annotations with Tri-network" (MICCAI 2020), in the form of its
    consensus: a pixel is left out for a network if one of the other two doubts its label. The paper's second choice
    of pixels, those on which the two differ, is not taken. The model is what is delivered.

    Costs: three forward and three backward passes a step; two forward passes of the training set, once, if the rate
    is estimated.

    Args:
        epochs: length of the training, in epochs, that `warmup` is a share of.
        rate: share of wrong labels in each class, in [0, 1), one number or one for each class; None = estimated.
            Each network doubts so many; as two select, up to twice as many are left out.
        warmup: share of the epochs, in [0, 1), with all labels; one epoch at least if the rate is estimated.
        ramp: share of the training, in (0, 1], in which the share left out grows from 0 to the rate.
        reinitialise: what of the peers is drawn anew, see `Peers`.
        seed: what they are drawn from.
    """

    sides = frozenset({"samples", "pixels"})

    def __init__(
        self,
        epochs: int,
        rate: float | list[float] | None = None,
        warmup: float = 0.2,
        ramp: float = 0.05,
        reinitialise: Reinitialise = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.exchange = SmallLossExchange(
            "TriNetwork", 2, epochs=epochs, rate=rate, warmup=warmup, ramp=ramp, reinitialise=reinitialise, seed=seed
        )

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self.exchange.attach(model)

    def audit(self, view: TrainingView, epoch: int) -> None:
        self.exchange.audit(view, epoch)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        return self.exchange.sample_weights(samples, epoch)

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        student, first, second = self.exchange.losses(logits, batch, criterion, progress)
        return {"student": student, "peer_1": first, "peer_2": second}
