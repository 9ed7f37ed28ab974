"""Looks: each image through a model that has not learned its label, with whatever else the evidence asks for."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from pathlib import Path

import numpy as np
from torch import nn
from torch.utils.data import DataLoader

from segtrain.audit.evidence import Look
from segtrain.data.sample import Case, EvaluationSet
from segtrain.data.source import Source
from segtrain.errors import ConfigError
from segtrain.models import dropping, evaluating, features_of, predict_each
from segtrain.run.restore import Restored
from segtrain.run.weights import load_weights
from segtrain.types import resize_probs, to_probs

__all__ = ["Eyes"]

AVERAGED = ("ema.", "strategy.follower.model.")
"""Where a checkpoint has averaged weights: the callback's, or a strategy's teacher."""


class Eyes:
    """What looks at images: the models of a run, or of its folds.

    Args:
        restored: the run.
        checkpoints: whose weights are used, one for each fold, or one for all.
        needs: fields of `Look` beside image, label and probabilities.
        passes: with dropout.
        layer: whose features.
    """

    def __init__(
        self, restored: Restored, checkpoints: Sequence[Path], needs: frozenset[str], passes: int, layer: str
    ) -> None:
        self.restored = restored
        self.checkpoints = list(checkpoints)
        self.needs = needs
        self.passes = passes
        self.layer = layer
        self.task = restored.task
        self._others: dict[str, list[nn.Module]] = {}
        if "passes" in needs:
            with dropping(self.task.model):
                pass  # says so if there is no dropout

    def fingerprint(self) -> str:
        """Give a hash of the weights that look."""
        return blake2b(b"".join(file.read_bytes() for file in self.checkpoints), digest_size=8).hexdigest()

    def looks(self, source: Source, rows: Sequence[int], parts: np.ndarray) -> Iterator[tuple[int, Look]]:
        """Give each row's look, fold by fold.

        Args:
            source: a split.
            rows: of it.
            parts: (N,) of the split, the fold whose model has not learned the sample.
        """
        for fold, checkpoint in enumerate(self.checkpoints):
            mine = [row for row in rows if parts[row] == fold]
            if mine:
                self._load(checkpoint)
                yield from self._through(source, mine)

    def _load(self, checkpoint: Path) -> None:
        load_weights(self.task.model, checkpoint)
        self._others = {
            name: [self._model(file, prefixes) for file in files]
            for name, files, prefixes in (
                ("snapshots", sorted(checkpoint.parent.glob("snapshot*.ckpt")), None),
                ("teacher", [checkpoint], AVERAGED),
            )
            if name in self.needs
        }
        if "snapshots" in self.needs and not self._others["snapshots"]:
            raise ConfigError(
                f"evidence=epoch_losses asks what the model believed at earlier epochs, and {checkpoint.parent} holds "
                "no snapshots: train with callbacks=[best,last,snapshots], or let the audit train folds (folds=4)."
            )

    def _model(self, file: Path, prefixes: Sequence[str] | None) -> nn.Module:
        model = copy.deepcopy(self.task.model)
        load_weights(model, file, prefixes)
        return model

    def _through(self, source: Source, rows: Sequence[int]) -> Iterator[tuple[int, Look]]:
        data = self.restored.plan.data
        loader = DataLoader(
            EvaluationSet(source, data.size, data.fit, rows),
            batch_size=data.batch_size,
            collate_fn=list,
            num_workers=data.num_workers,
        )
        place = 0
        for cases in loader:
            for case, look in zip(cases, self._look(source, cases, rows[place:]), strict=True):
                assert source.ids[rows[place]] == case.id
                yield rows[place], look
                place += 1

    def _look(self, source: Source, cases: list[Case], rows: Sequence[int]) -> Iterator[Look]:
        own = self._predicted(self.task.predict_each, cases)
        more: dict[str, list[np.ndarray]] = {}
        if "passes" in self.needs:
            with dropping(self.task.model):
                more["passes"] = _stacked([self._of(self.task.model, cases, still=False) for _ in range(self.passes)])
        for name, models in self._others.items():
            more[name] = _stacked([self._of(model, cases) for model in models])
        if "features" in self.needs:
            images = [self.task.normalize(case.image[None].to(self.task.device)) for case in cases]
            more["features"] = [features_of(self.task.model, image, self.layer) for image in images]
        clean = source.samples.clean
        for position, (case, probs) in enumerate(zip(cases, own, strict=True)):
            told = {name: values[position] for name, values in more.items()}
            if "teacher" in told:
                told["teacher"] = told["teacher"][0]
            if "annotations" in self.needs:
                told["annotations"] = tuple(source.annotations(rows[position]).values())  # type: ignore[assignment]
            yield Look(case.native, case.label, probs, clean=bool(clean[rows[position]]), **told)  # type: ignore[arg-type]

    def _of(self, model: nn.Module, cases: list[Case], still: bool = True) -> list[np.ndarray]:
        """Predict with another model, or with one whose dropout is on."""
        task = self.task
        mode: AbstractContextManager[None] = evaluating(model) if still else nullcontext()
        predict = lambda image: to_probs(model(task.normalize(image.to(task.device))))  # noqa: E731
        with mode:
            return self._predicted(lambda images: predict_each(predict, images, task.window, task.overlap), cases)

    def _predicted(self, predict, cases: list[Case]) -> list[np.ndarray]:  # type: ignore[no-untyped-def]
        probs = predict([case.image.to(self.task.device) for case in cases])
        return [
            resize_probs(each, case.native.shape[:2]).cpu().numpy() for each, case in zip(probs, cases, strict=True)
        ]


def _stacked(rounds: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Give each image's predictions of all rounds: (T, C, H, W)."""
    return [np.stack(each) for each in zip(*rounds, strict=True)]
