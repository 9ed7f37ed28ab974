"""Monte-Carlo dropout: how unsure a model is, from how much its answers differ when parts of it are dropped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from segtrain.errors import ConfigError
from segtrain.models.modes import evaluating
from segtrain.types import CLASS_AXIS, to_probs

__all__ = ["DropoutProbs", "dropping", "mc_dropout_probs"]


class DropoutProbs(NamedTuple):
    """What several passes with dropout say together."""

    probs: Tensor
    """(B, C, H, W) or (B, K, 2, H, W), the mean of the passes."""
    entropy: Tensor
    """(B, H, W) or (B, K, H, W), entropy of `probs` in nats: all the uncertainty."""
    mutual_information: Tensor
    """Like `entropy`: the part of it that is the model's own, not the data's."""


def mc_dropout_probs(model: nn.Module, image: Tensor, passes: int = 10) -> DropoutProbs:
    """Average the model's probabilities over passes with dropout on and batch-norm still (Gal & Ghahramani 2016).

    The mutual information is H(mean p) - mean H(p) (Houlsby et al. 2011, eq. 2; Gal et al. 2017, eq. 3).

    Args:
        model: gives logits (B, C, H, W) or (B, K, 2, H, W).
        image: (B, D, H, W).
        passes: at least 2.

    Raises:
        ConfigError: nothing in the model drops anything, so that all passes would agree.
    """
    if passes < 2:
        raise ConfigError(f"The 'passes' of mc_dropout_probs must be at least 2, got {passes}")
    with dropping(model), torch.no_grad():
        mean = to_probs(model(image)) / passes  # (B, C, H, W)
        aleatoric = _entropy(mean * passes) / passes  # (B, H, W)
        for _ in range(passes - 1):
            probs = to_probs(model(image))
            mean += probs / passes
            aleatoric += _entropy(probs) / passes
    entropy = _entropy(mean)
    return DropoutProbs(mean, entropy, (entropy - aleatoric).clamp_min(0))


@contextmanager
def dropping(model: nn.Module) -> Iterator[None]:
    """Let the model drop out while all else in it stands still, and put it back afterwards.

    Raises:
        ConfigError: nothing in the model drops anything.
    """
    droppers = [module for module in model.modules() if isinstance(module, _DropoutNd) and module.p > 0]
    if not droppers:
        raise ConfigError("The model has no dropout to sample from: set model.dropout, for example model.dropout=0.2")
    with evaluating(model):
        for dropper in droppers:
            dropper.training = True
        yield


def _entropy(probs: Tensor) -> Tensor:
    return torch.special.entr(probs).sum(dim=CLASS_AXIS)  # (B, H, W)
