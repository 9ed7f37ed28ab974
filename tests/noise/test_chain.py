"""Several strategies at once."""

import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import Chain, CleanOnly, NoiseStrategy
from segtrain.types import Batch, Criterion, Progress, Samples

PROGRESS = Progress(epoch=0, step=0, max_epochs=4, max_steps=40)


class HalfTrust(NoiseStrategy):
    def trust(self, logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        return torch.full_like(batch.weight, 0.5)


class Brighter(NoiseStrategy):
    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        return batch._replace(image=batch.image + 1)


class Doubled(NoiseStrategy):
    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        return batch._replace(image=batch.image * 2)


class TwoTerms(NoiseStrategy):
    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        return {"a": logits.sum(), "b": logits.mean()}


def test_trusts_multiply(batch: Batch) -> None:
    trust = Chain({"a": HalfTrust(), "b": HalfTrust()}).trust(batch.target, batch, PROGRESS)
    assert torch.equal(trust, torch.full_like(batch.weight, 0.25))


def test_batches_fold_in_the_given_order(batch: Batch) -> None:
    brighter_first = Chain({"a": Brighter(), "b": Doubled()}).prepare(batch, nn.Identity(), PROGRESS)
    doubled_first = Chain({"b": Doubled(), "a": Brighter()}).prepare(batch, nn.Identity(), PROGRESS)
    assert torch.equal(brighter_first.image, (batch.image + 1) * 2)
    assert torch.equal(doubled_first.image, batch.image * 2 + 1)


def test_sample_weights_multiply(samples: Samples) -> None:
    weights = Chain({"a": CleanOnly(), "b": NoiseStrategy()}).sample_weights(samples, 0)
    assert torch.equal(weights, samples.clean.float())


def test_two_members_with_loss_terms_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="first and second each name the loss terms"):
        Chain({"first": TwoTerms(), "second": TwoTerms()})


def test_the_one_member_with_loss_terms_names_them(batch: Batch) -> None:
    chain = Chain({"plain": NoiseStrategy(), "two": TwoTerms()})
    assert set(chain.loss_terms(batch.target, batch, lambda *_: torch.zeros(()), PROGRESS)) == {"a", "b"}
    assert Chain({"inner": chain}).names_terms


def test_no_sample_left_is_refused(samples: Samples) -> None:
    class Noisy(NoiseStrategy):
        def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
            return (~samples.clean).float()

    with pytest.raises(ConfigError, match="leaves no sample to draw"):
        Chain({"clean_only": CleanOnly(), "noisy": Noisy()}).sample_weights(samples, 0)
