"""One strategy after another, each with its own share of the epochs and, if it wants, its own loss."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses import WeightedSum
from segtrain.noise.base import Findings, NoiseStrategy
from segtrain.noise.chain import Chain
from segtrain.noise.idle import with_idle
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["Phase", "Phased"]


@dataclass(kw_only=True)
class Phase:
    """A stretch of training.

    Args:
        share: of the epochs, relative to the other phases' shares, > 0.
        noise: name -> strategy: what to do about noise in it; several are chained; empty = trust every label.
        loss: name -> loss, added up; empty = the loss of the run.
        loss_weights: name -> share in the sum, 1 where none is given.
        lr_factor: learning rate relative to the run's, > 0; the schedule starts anew in each phase.
    """

    share: float = 1.0
    noise: Mapping[str, NoiseStrategy] = field(default_factory=dict)
    loss: Mapping[str, nn.Module] = field(default_factory=dict)
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    lr_factor: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("share", self.share), ("lr_factor", self.lr_factor)):
            if value <= 0:
                raise ConfigError(f"The '{name}' of Phase must be greater than 0, got {value}")


class Phased(NoiseStrategy):
    """Train in phases: each hook goes to the phase whose epochs these are, which counts them from its own start.

    Every phase is attached at once and follows the model from the first step, so that the state's keys never change
    and a teacher of a later phase is warm when its turn comes.

    Costs: what its phases cost, each in its epochs.

    Args:
        epochs: length of the training, that the shares divide; each phase gets one epoch at least.
        phases: name -> phase, in order; two at least.
    """

    def __init__(self, epochs: int, phases: Mapping[str, Phase]) -> None:
        super().__init__()
        if len(phases) < 2 or epochs < len(phases):
            raise ConfigError(
                f"Phases need at least two names and an epoch each, got {list(phases)} for {epochs} epochs: "
                "raise trainer.max_epochs."
            )
        self.phases = nn.ModuleDict({name: Chain.of(phase.noise) for name, phase in phases.items()})
        self.criteria = nn.ModuleDict(
            {name: WeightedSum(phase.loss, phase.loss_weights) for name, phase in phases.items() if phase.loss}
        )
        self._names = list(phases)
        self._starts = _starts(epochs, [phase.share for phase in phases.values()])
        self._factors = [phase.lr_factor for phase in phases.values()]
        self.sides = frozenset().union(*(strategy.sides for strategy in self._each()))
        self.uses_unlabelled = any(strategy.uses_unlabelled for strategy in self._each())

    def _each(self) -> list[NoiseStrategy]:
        return list(self.phases.values())  # type: ignore[arg-type]

    def _phase(self, epoch: int) -> tuple[int, NoiseStrategy, int]:
        """Give the number of the phase of this epoch, its strategy and its first epoch."""
        number = max(i for i, start in enumerate(self._starts) if start <= epoch)
        return number, self._each()[number], self._starts[number]

    def _within(self, progress: Progress) -> Progress:
        number, _, start = self._phase(progress.epoch)
        end = self._starts[number + 1] if number + 1 < len(self._starts) else progress.max_epochs
        steps = progress.max_steps // max(1, progress.max_epochs)  # in an epoch
        epochs = max(1, end - start)
        return Progress(progress.epoch - start, progress.step - start * steps, epochs, epochs * steps)

    @property
    def names_terms(self) -> bool:
        return bool(len(self.criteria)) or any(strategy.names_terms for strategy in self._each())

    @property
    def restarts(self) -> dict[int, float]:
        found: dict[int, float] = {}
        for start, factor, strategy in zip(self._starts, self._factors, self._each(), strict=True):
            found |= {start: factor} | {start + epoch: factor * own for epoch, own in strategy.restarts.items()}
        return {epoch: factor for epoch, factor in found.items() if epoch > 0 or factor != 1.0}

    @property
    def findings(self) -> Findings | None:
        told = [strategy.findings for strategy in self._each() if strategy.findings is not None]
        return told[-1] if told else None

    def attach(self, model: nn.Module, samples: Samples) -> None:
        for strategy in self._each():
            strategy.attach(model, samples)
        teachers = [strategy.teacher for strategy in self._each() if strategy.teacher is not None]
        object.__setattr__(self, "teacher", teachers[-1] if teachers else None)  # a reference, not a second copy

    def audit(self, view: TrainingView, epoch: int) -> None:
        _, strategy, start = self._phase(epoch)
        strategy.audit(view, epoch - start)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        _, strategy, start = self._phase(epoch)
        return strategy.sample_weights(samples, epoch - start)

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        return self._phase(progress.epoch)[1].prepare(batch, model, self._within(progress))

    def trust(self, logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        return self._phase(progress.epoch)[1].trust(logits, batch, self._within(progress))

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        number, strategy, _ = self._phase(progress.epoch)
        own: Criterion = dict(self.criteria.items()).get(self._names[number], criterion)
        terms = strategy.loss_terms(logits, batch, own, self._within(progress))
        return with_idle(terms, [other for other in self._each() if other is not strategy])

    def after_step(self, model: nn.Module) -> None:
        for strategy in self._each():
            strategy.after_step(model)


def _starts(epochs: int, shares: list[float]) -> list[int]:
    """Give each phase's first epoch, so that none is without an epoch.

    >>> _starts(10, [0.75, 0.25]), _starts(2, [0.9, 0.1])
    ([0, 8], [0, 1])
    """
    ends = [round(epochs * done / sum(shares)) for done in accumulate(shares)]
    starts = [0, *ends[:-1]]
    return [min(max(start, i), epochs - len(shares) + i) for i, start in enumerate(starts)]
