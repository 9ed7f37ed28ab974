"""One strategy after another, each with its own epochs and, if it wants, its own loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise.base import NoiseStrategy
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["Phase", "Phased"]


@dataclass
class Phase:
    """A stretch of training.

    Args:
        strategy: what to do about noise in it.
        epochs: how long it lasts, >= 1; None, for the last phase only: to the end.
        criterion: its own loss; None = the loss of the run.
    """

    strategy: NoiseStrategy
    epochs: int | None = None
    criterion: nn.Module | None = None


class Phased(NoiseStrategy):
    """Hand each hook to the phase whose epochs these are; a phase counts its epochs and steps from its own start.

    Every phase is attached at once and follows the model from the first step, so that the state's keys never change
    and a teacher of a later phase is warm when its turn comes.
    """

    def __init__(self, phases: Sequence[Phase]) -> None:
        super().__init__()
        lengths = [phase.epochs for phase in phases]
        if not phases or any(length is None or length < 1 for length in lengths[:-1]):
            raise ConfigError(f"Each phase but the last needs 'epochs' of at least 1, got {lengths}.")
        self.strategies = nn.ModuleList([phase.strategy for phase in phases])
        self.criteria = nn.ModuleList([phase.criterion or nn.Identity() for phase in phases])
        self._starts = [sum(length or 0 for length in lengths[:i]) for i in range(len(phases))]
        self._own_criterion = [phase.criterion is not None for phase in phases]
        self.sides = frozenset().union(*(phase.strategy.sides for phase in phases))
        self.uses_unlabelled = any(phase.strategy.uses_unlabelled for phase in phases)

    def _phase(self, epoch: int) -> tuple[int, NoiseStrategy, int]:
        """Give the number of the phase of this epoch, its strategy and its first epoch."""
        number = max(i for i, start in enumerate(self._starts) if start <= epoch)
        return number, self.strategies[number], self._starts[number]  # type: ignore[return-value]

    def _within(self, progress: Progress) -> Progress:
        number, _, start = self._phase(progress.epoch)
        end = self._starts[number + 1] if number + 1 < len(self._starts) else progress.max_epochs
        steps = progress.max_steps // max(1, progress.max_epochs)  # in an epoch
        epochs = max(1, end - start)
        return Progress(progress.epoch - start, progress.step - start * steps, epochs, epochs * steps)

    @property
    def names_terms(self) -> bool:
        return True

    def attach(self, model: nn.Module, samples: Samples) -> None:
        for strategy in self.strategies:
            strategy.attach(model, samples)  # type: ignore[operator]
        teachers = [strategy.teacher for strategy in self.strategies if strategy.teacher is not None]
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
        own = self.criteria[number] if self._own_criterion[number] else criterion
        return strategy.loss_terms(logits, batch, own, self._within(progress))

    def after_step(self, model: nn.Module) -> None:
        for strategy in self.strategies:
            strategy.after_step(model)  # type: ignore[operator]
