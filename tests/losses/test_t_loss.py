"""The T-Loss against scipy's multivariate Student-t, and what becomes of the parameter that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_t

from segtrain.errors import ConfigError
from segtrain.losses import TLoss
from segtrain.run.build import build
from segtrain.training.checkpoint_io import read_checkpoint
from segtrain.types import one_hot
from tests.small import small_config

IMAGE = (4, 5)
PIXELS = 20


def logits(shape=(3, 2, *IMAGE), seed=0):
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def labels(num_classes=2, seed=1):
    return torch.randint(num_classes, (3, *IMAGE), generator=torch.Generator().manual_seed(seed))


def ones():
    return torch.ones(3, *IMAGE)


def likelihood(residual, nu):
    """-log of scipy's density, with the identity as scale."""
    return -multivariate_t(loc=np.zeros(PIXELS), shape=np.eye(PIXELS), df=nu).logpdf(residual.ravel())


def by_scipy(scores, label, nu, start):
    """The mean over images of the likelihood relative to no residual at the start, for each pixel."""
    p = scores.double().softmax(1)[:, 1].numpy()
    zero = likelihood(np.zeros(PIXELS), start)
    return np.mean([likelihood(p[b] - label[b].numpy(), nu) - zero for b in range(len(p))]) / PIXELS


def moved(loss, log_nu):
    with torch.no_grad():
        loss.log_nu.fill_(log_nu)
    return loss


@pytest.mark.parametrize("log_nu", [1.0, -3.0, 4.0])
def test_it_is_scipys_likelihood_of_the_whole_image(log_nu):
    loss = moved(TLoss(), log_nu)(logits(), one_hot(labels(), 2), ones())
    assert loss.item() == pytest.approx(by_scipy(logits(), labels(), np.exp(log_nu), np.e), rel=1e-4)


def test_nu_and_the_logits_get_the_likelihoods_gradient():
    loss, scores = moved(TLoss(), 0.5), logits().requires_grad_()
    loss(scores, one_hot(labels(), 2), ones()).backward()
    ends = [by_scipy(logits(), labels(), np.exp(0.5 + step), np.e) for step in (1e-4, -1e-4)]
    assert loss.log_nu.grad.item() == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-3)
    for place in [(0, 1, 0, 0), (2, 1, 3, 4)]:
        ends = []
        for step in (1e-4, -1e-4):
            other = scores.detach().double()
            other[place] += step
            ends.append(by_scipy(other, labels(), np.exp(0.5), np.e))
        assert scores.grad[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-3)


def test_more_classes_count_half_their_squared_distance():
    scores, target = logits((3, 4, *IMAGE)), one_hot(labels(4), 4)
    squares = ((scores.double().softmax(1) - target) ** 2).sum((1, 2, 3)) / 2
    nu = np.e + 1e-8
    expected = np.mean((nu + PIXELS) / 2 * np.log1p(squares.numpy() / nu)) / PIXELS
    assert TLoss()(scores, target, ones()).item() == pytest.approx(expected, rel=1e-5)


def test_an_ignored_pixel_is_a_dimension_less():
    weight = ones()
    weight[:, 0] = 0
    part = TLoss()(logits()[:, :, 1:], one_hot(labels(), 2)[:, :, 1:], weight[:, 1:])
    torch.testing.assert_close(TLoss()(logits(), one_hot(labels(), 2), weight), part)


def test_class_weights_weigh_the_pixels_of_exclusive_classes_relative_to_the_largest():
    target = one_hot(labels(3), 3)
    scores = logits((3, 3, *IMAGE))
    weight = torch.tensor([0.2, 0.5, 1.0])[labels(3)]
    assert (labels(3) == 2).any()
    loss = TLoss(class_weights=[0.4, 1.0, 2.0])(scores, target, ones())
    torch.testing.assert_close(loss, TLoss()(scores, target, weight))


def test_an_image_that_is_all_wrong_pulls_less_than_its_error():
    def pull(share):
        """The slope in the error of all pixels, for an image of which this share is wrong."""
        label = torch.zeros(1, 10, 10, dtype=torch.long)
        label.view(-1)[: int(100 * share)] = 1
        scores = torch.zeros(1, 2, 10, 10, requires_grad=True)
        with torch.no_grad():
            scores[:, 0] = 5.0
        TLoss()(scores, one_hot(label, 2), torch.ones(1, 10, 10)).backward()
        return scores.grad[:, 1].view(-1)[0].abs().item()

    assert pull(0.9) < 0.05 * pull(0.01)


def test_nu_falls_where_the_labels_are_fitted_and_the_loss_with_it():
    loss = TLoss()
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    target = one_hot(labels(), 2)
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(20 * target, target, ones())
        value.backward()
        optimizer.step()
    assert loss.log_nu < -1
    assert value < 0


def test_nu_reaches_the_optimizer_without_decay_and_the_checkpoint(tmp_path: Path):
    parts = build(small_config("loss=[dice,t_loss]", "trainer.max_epochs=1", "optimizer=adamw"), tmp_path)
    parts.trainer.fit(parts.task, datamodule=parts.data)
    groups = parts.trainer.optimizers[0].param_groups
    learned = parts.task.criterion.losses["t_loss"].log_nu
    (group,) = [group for group in groups if any(parameter is learned for parameter in group["params"])]
    assert group["weight_decay"] == 0
    saved = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["state_dict"]["criterion.losses.t_loss.log_nu"]
    assert torch.equal(saved, learned.detach())
    assert saved != 1.0


@pytest.mark.parametrize("log_nu", [-10.5, 11.0, float("nan")])
def test_a_start_out_of_range_is_refused(log_nu):
    with pytest.raises(ConfigError, match=r"The 'log_nu' of TLoss must be in \[-10, 10\], got"):
        TLoss(log_nu=log_nu)
