"""Auto: learn a little, see what is wrong with the labels, and do what helps against that."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from segtrain.audit import (
    Diagnosis,
    Survey,
    diagnose,
    diagnosis_of,
    learned,
    survey,
    table_of,
    witnesses,
)
from segtrain.errors import ConfigError
from segtrain.losses.base import require
from segtrain.noise.annotator_fusion import several
from segtrain.noise.base import Findings, NoiseStrategy
from segtrain.noise.chain import Chain
from segtrain.noise.idle import with_idle
from segtrain.noise.prescription import NEED_CLEAN, REMEDIES, prescribe
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["Auto"]

MOST_EXAMPLES = 12
NOBODY = -1


class Auto(NoiseStrategy):
    """Probe, diagnose, choose: a short training on the labels as given tells their noise, and that names the remedy.

    Where images have masks by several annotators these are fused before anything else. At first the noisy samples alone
    are drawn, without a remedy: the model learns what the labels have in common, and has never seen the clean samples.
    Then one audit compares it with both and names the kinds of noise with their amounts and intervals (see
    `segtrain.audit.diagnose`); a few plain rules choose the remedy (see `prescribe`), and from then on the training is
    the remedy's, as if it had been its own from the start. While a class is not learned yet nothing can be told of it:
    the audit is then made again an epoch later, until half of the training is over.

    Costs: two forward passes of the training set, one more for each epoch that the audit has to wait; then what the
    remedy costs. A remedy that follows the model, such as an averaged teacher, does so from the start.

    Args:
        epochs: length of the training, at least 2.
        num_classes: of the data.
        remedies: name -> strategies that are chained; every name that the rules know, see `REMEDIES`.
        fusion: strategies that make one mask of several, asked before the first epoch where there are several.
        probe: share of the epochs without a remedy, in (0, 1/2].
        confidence: of the intervals, in (0, 1).
    """

    sides = frozenset({"samples", "pixels"})
    uses_unlabelled = True
    amounts: Tensor
    shown: Tensor

    def __init__(
        self,
        epochs: int,
        num_classes: int,
        remedies: Mapping[str, Mapping[str, NoiseStrategy]],
        fusion: Mapping[str, NoiseStrategy] = MappingProxyType({}),
        probe: float = 0.3,
        confidence: float = 0.95,
    ) -> None:
        super().__init__()
        require(epochs >= 2, self, "epochs", "at least 2 (raise trainer.max_epochs)", epochs)
        require(num_classes >= 1, self, "num_classes", "at least 1", num_classes)
        require(set(remedies) == set(REMEDIES), self, "remedies", f"one for each of {', '.join(REMEDIES)}", [*remedies])
        require(0 < probe <= 0.5, self, "probe", "in (0, 1/2]", probe)
        require(0 < confidence < 1, self, "confidence", "in (0, 1)", confidence)
        self.epochs = epochs
        self.num_classes = num_classes
        self.nothing = NoiseStrategy()
        self.remedies = nn.ModuleDict({name: Chain.of(remedies[name]) for name in REMEDIES})
        self.fusion = Chain.of(fusion) if fusion else None
        self.probe = probe
        self.confidence = confidence
        self.choice: int | None = None  # on the host: every step asks for it

    @property
    def probe_epochs(self) -> int:
        """The first epoch that may have a remedy."""
        return min(max(1, round(self.probe * self.epochs)), self.epochs - 1)

    @property
    def remedy(self) -> NoiseStrategy:
        """The strategy that was chosen; during the probe one that does nothing."""
        return self.nothing if self.choice is None else self.remedies[REMEDIES[self.choice]]  # type: ignore[return-value]

    @property
    def names_terms(self) -> bool:
        return any(remedy.names_terms for remedy in self.remedies.values())

    @property
    def restarts(self) -> dict[int, float]:
        return {self.probe_epochs: 1.0}

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not samples.labelled.any():
            raise ConfigError("noise=auto looks at labels, and no training sample has a mask: name them by data.masks.")
        self.calibrated = bool((samples.clean & samples.labelled).any())
        self.fused = len(several(samples)) if self.fusion is not None else 0
        if self.fusion is not None and self.fused:
            self.fusion.attach(model, samples)
        for remedy in self._possible():
            remedy.attach(model, samples)
        blank = table_of(Diagnosis((), self.calibrated), self.num_classes)
        self.register_buffer("amounts", torch.from_numpy(blank))  # (K, kinds, 3)
        self.register_buffer("shown", torch.full((MOST_EXAMPLES, 2), NOBODY))  # place of a finding, sample
        teachers = [remedy.teacher for remedy in self._possible() if remedy.teacher is not None]
        object.__setattr__(self, "teacher", teachers[0] if teachers else None)  # a reference, not a second copy

    def _possible(self) -> list[NoiseStrategy]:
        """Give the remedies that these samples allow."""
        return [
            remedy  # type: ignore[misc]
            for name, remedy in self.remedies.items()
            if self.calibrated or name not in NEED_CLEAN
        ]

    # A tensor on the host: the number of the remedy, -1 before there is one.

    def get_extra_state(self) -> Tensor:
        return torch.tensor(NOBODY if self.choice is None else self.choice)

    def set_extra_state(self, state: Tensor) -> None:
        self.choice = None if int(state) == NOBODY else int(state)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong with the labels; None during the probe."""
        return None if self.choice is None else diagnosis_of(self.amounts.cpu().numpy(), self.calibrated)

    @property
    def findings(self) -> Findings | None:
        diagnosis = self.diagnosis
        if diagnosis is None:
            return None
        found = diagnosis.found()
        sentences = [finding.why for finding in found] or ["Nothing was found that can be told from no noise."]
        if self.fused:
            sentences.insert(0, f"{self.fused} images have masks by several annotators: these were fused first.")
        examples = [(diagnosis.findings[place], index) for place, index in self.shown.tolist() if index != NOBODY]
        return Findings(
            [*sentences, prescribe(diagnosis).why],
            diagnosis.as_dict(),
            tuple((f"class {finding.number}: {finding.kind}", index) for finding, index in examples),
        )

    # Between epochs.

    def audit(self, view: TrainingView, epoch: int) -> None:
        if self.fusion is not None and self.fused:
            self.fusion.audit(view, epoch)
        latest = max(self.probe_epochs, self.epochs // 2)
        if self.choice is None and self.probe_epochs <= epoch <= latest:
            measured = survey(view, self.num_classes, self.amounts.device)
            if epoch == latest or learned(measured).all():
                self._decide(measured)
        self.remedy.audit(view, epoch)

    def _decide(self, measured: Survey) -> None:
        """Diagnose, choose, and remember both, with samples to show."""
        diagnosis = diagnose(measured, self.confidence)
        self.amounts.copy_(torch.from_numpy(table_of(diagnosis, self.num_classes)))
        self.choice = REMEDIES.index(prescribe(diagnosis).remedy)
        found = diagnosis.found()
        each = max(1, MOST_EXAMPLES // max(1, len(found)))
        shown = [
            (place, index)
            for place, finding in enumerate(diagnosis.findings)
            if finding.found
            for index in witnesses(measured, finding, each)
        ][:MOST_EXAMPLES]
        if shown:
            self.shown[: len(shown)] = torch.tensor(shown)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        if self.choice is not None:
            return self.remedy.sample_weights(samples, epoch)
        noisy = samples.labelled & ~samples.clean
        return (noisy if noisy.any() else samples.labelled).float()

    # Inside a step.

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        return self.remedy.prepare(batch, model, progress)

    def trust(self, logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        return self.remedy.trust(logits, batch, progress)

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        terms = self.remedy.loss_terms(logits, batch, criterion, progress)
        return with_idle(terms, [other for other in self.remedies.values() if other is not self.remedy])

    def after_step(self, model: nn.Module) -> None:
        for remedy in self._possible():
            remedy.after_step(model)
