"""Co-teaching: two networks, each trained on the labels that the other finds easy to believe."""

from torch import Tensor, nn

from segtrain.noise.base import NoiseStrategy
from segtrain.noise.exchange import SmallLossExchange
from segtrain.noise.peers import Reinitialise
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["CoTeaching"]


class CoTeaching(NoiseStrategy):
    """Train a peer beside the model, each on the pixels whose labels the other finds easiest (Han et al. 2018).

    Their algorithm 1 with pixels for samples, and the small losses selected within each class: over all pixels at
    once the foreground would go first. Two networks make different mistakes, so that one filters what the other
    would memorise. The model is what is delivered.

    Costs: two forward and two backward passes a step; two forward passes of the training set, once, if the rate is
    estimated.

    Args:
        epochs: length of the training, in epochs, that `warmup` is a share of.
        rate: share of wrong labels in each class, in [0, 1), one number or one for each class; None = estimated.
        warmup: share of the epochs, in [0, 1), with all labels; one epoch at least if the rate is estimated.
        ramp: share of the training, in (0, 1], in which the share left out grows from 0 to the rate.
        reinitialise: what of the peer is drawn anew, see `Peers`.
        seed: what it is drawn from.
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
            "CoTeaching", 1, epochs=epochs, rate=rate, warmup=warmup, ramp=ramp, reinitialise=reinitialise, seed=seed
        )

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self.exchange.attach(model)

    def audit(self, view: TrainingView, epoch: int) -> None:
        self.exchange.audit(view, epoch)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        return self.exchange.sample_weights(samples, epoch)

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        student, peer = self.exchange.losses(logits, batch, criterion, progress)
        return {"student": student, "peer": peer}
