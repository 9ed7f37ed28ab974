"""Networks that exchange what they find easy: what co-teaching and the tri-network share."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.peers import Peers, Reinitialise
from segtrain.noise.rates import estimate_rates
from segtrain.noise.selection import as_problems, small_loss
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["ExchangeStrategy", "SmallLossExchange"]


class SmallLossExchange(nn.Module):
    """Train the model and its peers, each on the pixels that all the others find easy, selected class by class.

    In the warm-up all train on all labels. Then the share of labels left out grows from 0 to the noise rate of each
    class. Clean samples are always selected; while the rate is to be estimated they are not drawn in the warm-up, so
    that the model stands in for the annotators when it is held against them.

    Args:
        strategy: what it is part of, for the sentences of an error.
        num_peers: networks beside the model, >= 1.
        epochs: length of the training that `warmup` is a share of.
        rate: share of wrong labels in each class, in [0, 1): one number, or one for each class; with overlapping
            classes the latter leaves out labels of the class, none of "not this class". None: estimated once, after
            the warm-up; until then none are left out.
        warmup: share of the epochs, in [0, 1); one epoch at least if the rate is estimated.
        ramp: share of the training in which the share left out grows, in (0, 1].
        reinitialise, seed: see `Peers`.
    """

    def __init__(
        self,
        strategy: str,
        num_peers: int,
        *,
        epochs: int,
        rate: float | list[float] | None,
        warmup: float,
        ramp: float,
        reinitialise: Reinitialise,
        seed: int,
    ) -> None:
        super().__init__()
        given = [] if rate is None else list(rate) if isinstance(rate, list) else [rate]
        faults = argument_faults(
            strategy,
            ("epochs", epochs, epochs >= 1, "at least 1 (give trainer.max_epochs)"),
            ("rate", rate, all(0 <= value < 1 for value in given) and rate != [], "in [0, 1) for each class, or null"),
            ("warmup", warmup, 0 <= warmup < 1, "in [0, 1)"),
            ("ramp", ramp, 0 < ramp <= 1, "in (0, 1]"),
        )
        if faults:
            raise ConfigError(f"{strategy} cannot be built:", faults)
        self.rate = rate
        self.warmup_epochs = max(round(warmup * epochs), 1 if rate is None else 0)
        self.ramp = ramp
        self.peers = Peers(num_peers, reinitialise, seed)
        self.rates_ = torch.empty(0)  # (2, K, C) once estimated; the number of classes is not known before

    def attach(self, model: nn.Module) -> None:
        self.peers.attach(model)

    # Its size is not known when the state is loaded, so that it cannot be a buffer.

    def get_extra_state(self) -> Tensor:
        return self.rates_.cpu()

    def set_extra_state(self, state: Tensor) -> None:
        self.rates_ = state

    def audit(self, view: TrainingView, epoch: int) -> None:
        """Estimate the noise rates, at the end of the warm-up."""
        if self.rate is None and epoch == self.warmup_epochs:
            self.rates_ = estimate_rates(view)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        """Give (N,): all samples, but in the warm-up those not known to be clean, if the rate is to be estimated."""
        noisy = samples.labelled & ~samples.clean
        held_out = self.rate is None and epoch < self.warmup_epochs and bool(noisy.any())
        return (~samples.clean if held_out else torch.ones_like(samples.clean)).float()

    def drop(self, target: Tensor, progress: Progress) -> Tensor:
        """Give the shares of each class's labels to leave out now, (2, K, C): at any rate, and if they are doubted."""
        warm = self.warmup_epochs / max(1, progress.max_epochs)
        growth = min(1.0, max(0.0, (progress.fraction - warm) / self.ramp))
        return self._rates(as_problems(target)) * growth

    def _rates(self, target: Tensor) -> Tensor:
        num_problems, num_classes = target.shape[1:3]
        if self.rates_.shape != (2, num_problems, num_classes):
            self.rates_ = self._given(num_problems, num_classes).expand(2, -1, -1)
        self.rates_ = self.rates_.to(target.device)
        return self.rates_

    def _given(self, num_problems: int, num_classes: int) -> Tensor:
        if not isinstance(self.rate, list):
            return torch.full((num_problems, num_classes), self.rate or 0.0)
        rates = torch.tensor([self.rate])  # (1, C) or, for overlapping classes, (1, K)
        if num_problems > 1 or rates.shape[1] == 1:
            rates = torch.stack([torch.zeros_like(rates), rates], dim=-1)[0]  # (K, 2)
        if rates.shape != (num_problems, num_classes):
            raise ConfigError(f"The 'rate' must be one number or one for each class, got {self.rate}")
        return rates

    def losses(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> list[Tensor]:
        """Give the loss of the model and of each peer, on the pixels that all the others would keep."""
        networks = [logits, *self.peers(batch.image)]
        drop = self.drop(batch.target, progress)
        counts = (batch.weight > 0) & ~batch.clean[:, None, None]
        kept = [small_loss(each.detach(), batch.target, counts, *drop) for each in networks]  # each (B, H, W)
        return [
            criterion(each, batch.target, batch.weight * _by_all([*kept[:i], *kept[i + 1 :]]))
            for i, each in enumerate(networks)
        ]


class ExchangeStrategy(NoiseStrategy):
    """Train the model and its peers by a `SmallLossExchange`: co-teaching and the tri-network but for their number.

    Abstract: a strategy says what its networks' losses are called, and is final. The arguments are those of
    `SmallLossExchange`, with the defaults of both.
    """

    sides = frozenset({"samples", "pixels"})

    terms: ClassVar[tuple[str, ...]]
    """The name of the model's loss, and that of each peer's."""

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
            type(self).__name__,
            len(self.terms) - 1,
            epochs=epochs,
            rate=rate,
            warmup=warmup,
            ramp=ramp,
            reinitialise=reinitialise,
            seed=seed,
        )

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self.exchange.attach(model)

    def audit(self, view: TrainingView, epoch: int) -> None:
        self.exchange.audit(view, epoch)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        return self.exchange.sample_weights(samples, epoch)

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        return dict(zip(self.terms, self.exchange.losses(logits, batch, criterion, progress), strict=True))


def _by_all(kept: list[Tensor]) -> Tensor:
    return torch.stack(kept).all(dim=0)  # (B, H, W)
