"""Meta-reweighting: labels count as far as learning from them also helps on the clean samples."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from segtrain.errors import ConfigError
from segtrain.losses.functional import cross_entropy_map, ratio
from segtrain.models.arguments import argument_faults
from segtrain.models.modes import evaluating
from segtrain.noise.base import NoiseStrategy
from segtrain.types import Batch, Progress, Samples

__all__ = ["MetaReweighting", "meta_gradient"]


class MetaReweighting(NoiseStrategy):
    """Weight noisy labels by how far a step along their gradient lowers the loss of the batch's clean samples.

    Each block of pixels of a noisy label has a weight eps, 0 at first. After a virtual step of gradient descent on
    sum eps l the clean loss has the slope -w in eps, w = < gradient of the clean loss, gradient of the block's
    loss >; what would raise the clean loss gets nothing, max(0, w) (Ren et al. 2018, eq. 11 and 12, algorithm 1). As
    eps is 0 the virtual step changes no parameter, so w is exact without a copy of the model. An image as one block
    is the paper's; a wrong outline, though, is wrong in few of an image's pixels. The loss is cross-entropy, whatever
    the run's. Clean samples keep their full weight. A batch without one is left as it is: set data.clean_per_batch.

    Costs: one forward pass of the batch per step with layers=last; with layers=all three backward passes more.

    Args:
        layers: whose parameters the virtual step moves: the "last" layer's or "all".
        block: side in pixels of the squares that have a weight each, at least 1; null = the image is one.
        mode: "proportional" to max(0, w), relative to its mean over the noisy pixels and at most 1 (the paper's
            weights, which sum to a constant, but for the cap), or "sign": 1 where w >= 0, 0 elsewhere.
    """

    sides = frozenset({"pixels"})

    def __init__(
        self,
        layers: Literal["last", "all"] = "last",
        block: int | None = 1,
        mode: Literal["sign", "proportional"] = "sign",
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "MetaReweighting",
            ("layers", layers, layers in ("last", "all"), "last or all"),
            ("block", block, block is None or block >= 1, "at least 1, or null"),
            ("mode", mode, mode in ("proportional", "sign"), "proportional or sign"),
        )
        if faults:
            raise ConfigError("noise.meta_reweighting cannot be built:", faults)
        self.layers = layers
        self.block = block
        self.mode = mode

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not (samples.clean & samples.labelled).any():
            raise ConfigError(
                "noise=meta_reweighting asks of each label whether it helps on clean samples, and none of the "
                f"{len(samples.clean)} training samples is flagged clean: name them by data.clean, and how many each "
                "batch holds by data.clean_per_batch."
            )

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        helps = meta_gradient(batch, model, self.layers, self.block)  # (B, H, W)
        clean = (batch.clean & batch.labelled).view(-1, 1, 1)
        if self.mode == "sign":
            share = (helps >= 0).float()
        else:
            noisy = batch.weight * ~clean
            gain = helps.clamp_min(0)
            share = ratio(gain, ratio((gain * noisy).sum(), noisy.sum())).clamp_max(1)
        return batch._replace(weight=batch.weight * torch.where(clean | ~clean.any(), 1.0, share))


@torch.enable_grad()
def meta_gradient(batch: Batch, model: nn.Module, layers: Literal["last", "all"], block: int | None) -> Tensor:
    """Give how fast the clean samples' loss falls with the weight of each block's loss in a virtual step: (B, H, W).

    It is the mean over a block's counted pixels of < gradient of the clean loss, gradient of the pixel's loss >.

    Args:
        batch: with clean samples; without any, all is 0.
        model: images -> logits; left as it is.
        layers: whose parameters count, see `MetaReweighting`.
        block: side of the blocks in pixels; None = whole images.
    """
    fixed = {name: tensor.detach() for name, tensor in model.named_parameters()}
    moved = {name: fixed[name].requires_grad_() for name in _names(model, layers)}
    with evaluating(model), torch.compiler.set_stance("force_eager"):  # compiled graphs have no second gradient
        logits = functional_call(model, fixed, (batch.image,)).float()
    losses = cross_entropy_map(logits, batch.target)  # (B, H, W) or (B, K, H, W)
    losses = (losses if losses.dim() == 3 else losses.sum(1)) * batch.weight  # a pixel has one weight
    counted = (batch.clean & batch.labelled).view(-1, 1, 1) * batch.weight
    downhill = torch.autograd.grad(
        ratio((losses * (counted > 0)).sum(), counted.sum()), list(moved.values()), retain_graph=True
    )
    height, width = losses.shape[-2:]
    side = (height, width) if block is None else (block, block)
    per_block = F.avg_pool2d(losses.unsqueeze(1), side, ceil_mode=True, count_include_pad=False)  # (B, 1, h, w)
    present = F.avg_pool2d(batch.weight.unsqueeze(1), side, ceil_mode=True, count_include_pad=False)
    eps = torch.zeros_like(per_block, requires_grad=True)
    step = torch.autograd.grad((eps * ratio(per_block, present)).sum(), list(moved.values()), create_graph=True)
    (helps,) = torch.autograd.grad(step, eps, downhill)
    return helps.repeat_interleave(side[0], 2).repeat_interleave(side[1], 3)[:, 0, :height, :width]


def _names(model: nn.Module, layers: Literal["last", "all"]) -> list[str]:
    """Name the parameters that learn: all of them, or those of the last module that has any."""
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    last = learning[-1].rpartition(".")[0]
    return [name for name in learning if layers == "all" or name.rpartition(".")[0] == last]
