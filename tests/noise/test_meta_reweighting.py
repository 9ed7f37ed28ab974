"""Labels count as far as a step along their gradient lowers the loss of the clean samples."""

import copy
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.noise.meta_reweighting import meta_gradient
from segtrain.types import Batch, Progress
from tests.noise.batches import batch_of, random_labels

START = Progress(0, 0, 1, 100)
TINY = 1e-4  # of a virtual step, against rounding in float32


def model_of(num_classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(inplace=True), nn.Dropout2d(0.5)]
    return nn.Sequential(*layers, nn.Conv2d(5, num_classes, 1)).double()


def images(labels: Tensor, clean: list[bool], num_classes: int = 3) -> Batch:
    batch = batch_of(labels, num_classes, clean)
    image = torch.randn(batch.image.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return batch._replace(image=image, target=batch.target.double(), weight=0.5 * batch.weight.double())


@pytest.fixture
def half() -> Batch:
    return images(random_labels(4, 6, 6, ignored=0.2), [True, False, True, False])


def clean_loss(model: nn.Module, batch: Batch) -> Tensor:
    losses = F.cross_entropy(model(batch.image), batch.target, reduction="none")
    weight = batch.weight * batch.clean[:, None, None]
    return (losses * weight).sum() / weight.sum()


def after_virtual_step(
    model: nn.Module, batch: Batch, place: tuple[int, slice, slice], size: float, last: bool
) -> float:
    """Move a copy of the model by `size` against the gradient of one block's mean loss; give its clean loss then."""
    moved = copy.deepcopy(model).eval()
    weight = batch.weight[place]
    losses = F.cross_entropy(moved(batch.image), batch.target, reduction="none")[place]
    ((losses * weight).sum() / weight.sum()).backward()
    with torch.no_grad():
        for parameter in moved[-1].parameters() if last else moved.parameters():
            parameter -= size * parameter.grad
        return clean_loss(moved, batch).item()


@pytest.mark.parametrize("layers", ["last", "all"])
@pytest.mark.parametrize("block", [1, 4, None])
def test_it_is_what_an_explicit_virtual_step_gains(
    half: Batch, layers: Literal["last", "all"], block: int | None
) -> None:
    model = model_of()
    got = meta_gradient(half, model, layers, block)
    side = block or 6
    for image in (0, 1, 3):
        for row, column in ((0, 0), (5, 2), (3, 5)):
            rows, columns = (slice(at - at % side, at - at % side + side) for at in (row, column))
            place = (image, rows, columns)
            if not half.weight[place].any():
                continue
            there, back = (after_virtual_step(model, half, place, sign * TINY, layers == "last") for sign in (1, -1))
            assert got[image, row, column].item() == pytest.approx((back - there) / (2 * TINY), rel=1e-3, abs=1e-6)
