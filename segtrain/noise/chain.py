"""Several strategies at once: `noise=[a,b]`."""

from collections.abc import Mapping

from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise.base import Findings, NoiseStrategy
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["Chain"]


class Chain(NoiseStrategy):
    """Let several strategies work together: sample weights and trusts multiply, batches pass from one to the next.

    Args:
        members: name -> strategy, in the order in which they see a batch.

    Raises:
        ConfigError: two members name loss terms of their own; both are named.
    """

    def __init__(self, members: Mapping[str, NoiseStrategy]) -> None:
        super().__init__()
        owners = [name for name, member in members.items() if member.names_terms]
        if len(owners) > 1:
            raise ConfigError(
                f"noise={list(members)} cannot be chained: {' and '.join(owners)} each name the loss terms; keep one."
            )
        self.members = nn.ModuleDict(members)
        self._terms_owner = owners[0] if owners else None
        self.sides = frozenset().union(*(member.sides for member in members.values()))
        self.uses_unlabelled = any(member.uses_unlabelled for member in members.values())

    @staticmethod
    def of(members: Mapping[str, NoiseStrategy]) -> NoiseStrategy:
        """Give the strategy that these make together: none is the baseline, one is itself."""
        if not members:
            return NoiseStrategy()
        return next(iter(members.values())) if len(members) == 1 else Chain(members)

    def _each(self) -> list[NoiseStrategy]:
        return list(self.members.values())  # type: ignore[arg-type]

    @property
    def names_terms(self) -> bool:
        return self._terms_owner is not None

    @property
    def restarts(self) -> dict[int, float]:
        found: dict[int, float] = {}
        for member in self._each():
            found |= member.restarts
        return found

    @property
    def findings(self) -> Findings | None:
        return next((member.findings for member in self._each() if member.findings is not None), None)

    def attach(self, model: nn.Module, samples: Samples) -> None:
        for member in self._each():
            member.attach(model, samples)
        teachers = [member.teacher for member in self._each() if member.teacher is not None]
        # A plain reference: registering the teacher twice would double its keys in the checkpoint.
        object.__setattr__(self, "teacher", teachers[0] if teachers else None)

    def audit(self, view: TrainingView, epoch: int) -> None:
        for member in self._each():
            member.audit(view, epoch)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        weights = super().sample_weights(samples, epoch)  # (N,)
        for member in self._each():
            weights = weights * member.sample_weights(samples, epoch)
        if not weights.any():
            raise ConfigError(
                f"noise={list(self.members)} leaves no sample to draw in epoch {epoch}: choose one of them."
            )
        return weights

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        for member in self._each():
            batch = member.prepare(batch, model, progress)
        return batch

    def trust(self, logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        trust = super().trust(logits, batch, progress)  # (B, H, W)
        for member in self._each():
            trust = trust * member.trust(logits, batch, progress)
        return trust

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        if self._terms_owner is None:
            return super().loss_terms(logits, batch, criterion, progress)
        owner: NoiseStrategy = self.members[self._terms_owner]  # type: ignore[assignment]
        return owner.loss_terms(logits, batch, criterion, progress)

    def after_step(self, model: nn.Module) -> None:
        for member in self._each():
            member.after_step(model)
