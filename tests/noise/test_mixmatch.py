"""MixMatch guesses what is not clean, sharpens, mixes, and tells the two terms apart."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy
from segtrain.noise import MixMatch, mixmatch
from segtrain.noise.mixmatch import sharpen
from segtrain.run.build import build
from segtrain.types import IGNORE, Batch, Progress, Samples, to_probs
from tests.noise.batches import batch_of, on_no_device, random_labels, same
from tests.small import small_config

START = Progress(0, 0, 1, 100)


@pytest.fixture
def unmixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every share is 1, so that what is guessed can be seen."""
    monkeypatch.setattr(mixmatch, "beta_shares", lambda batch, *_, **__: torch.ones_like(batch.weight[:, 0, 0]))


def pixelwise(num_classes: int = 3) -> nn.Sequential:
    """Give a model that sees each pixel by itself, so that turning an image turns what it says."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(1, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, num_classes, 1))


class Alternating(nn.Module):
    """Says something else in each pass, whatever it sees."""

    def __init__(self, *answers: Tensor) -> None:
        super().__init__()
        self.answers: Iterator[Tensor] = iter(answers)

    def forward(self, image: Tensor) -> Tensor:
        return next(self.answers).log().view(1, -1, 1, 1).expand(len(image), -1, *image.shape[-2:])


def images(labels: Tensor, **flags: list[bool]) -> Batch:
    batch = batch_of(labels, **flags)  # type: ignore[arg-type]
    return batch._replace(image=torch.randn(batch.image.shape, generator=torch.Generator().manual_seed(3)))


def made(batch: Batch, model: nn.Module, seed: int = 0, **options: object) -> Batch:
    torch.manual_seed(seed)
    return MixMatch(**options).prepare(batch, model, START)  # type: ignore[arg-type]


def test_sharpening_is_the_papers() -> None:
    probs = torch.rand(2, 4, 3, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
    powered = probs.double().numpy() ** (1 / 0.3)
    expected = powered / powered.sum(axis=1, keepdims=True)
    assert sharpen(probs, 0.3).numpy() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(sharpen(probs, 1.0), probs)
    assert sharpen(torch.tensor([0.49, 0.51, 0.0]).view(3, 1, 1), 1e-3).flatten().tolist() == pytest.approx([0, 1, 0])


@pytest.mark.usefixtures("unmixed")
def test_a_guess_lies_on_the_pixels_it_was_made_for() -> None:
    """A pixelwise model says the same of a turned image, turned back."""
    batch, model = images(random_labels(8, 6, 6)), pixelwise().eval()
    guess = made(batch, model, views=3, strength=0.0, turn=True).target
    torch.testing.assert_close(guess, sharpen(to_probs(model(batch.image)), 0.5).detach())
    assert guess.std() > 0.01


@pytest.mark.usefixtures("unmixed")
@pytest.mark.parametrize("keep_given", [False, True])
def test_a_guess_is_the_sharpened_mean_of_its_views(keep_given: bool) -> None:
    answers = [torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.6, 0.3])]
    batch = images(torch.tensor([[[0, 2, IGNORE]]]).byte())
    batch = batch._replace(weight=batch.weight * 0.5)
    guess = made(batch, Alternating(*answers), views=2, temperature=0.5, keep_given=keep_given).target
    for pixel, given in enumerate([[1, 0, 0], [0, 0, 1], None]):
        votes = [answer.numpy() for answer in answers]
        shares = [1.0, 1.0]
        if keep_given and given is not None:
            votes.append(np.array(given))
            shares.append(0.5)
        mean = np.average(votes, axis=0, weights=shares)
        assert guess[0, :, 0, pixel].numpy() == pytest.approx(mean**2 / (mean**2).sum(), abs=1e-5)


@pytest.mark.usefixtures("unmixed")
def test_clean_labels_stay_and_only_others_are_guessed() -> None:
    labels = random_labels(4, 5, 5, ignored=0.2)
    batch = images(labels, clean=[True, False, True, False], labelled=[True, True, False, False])
    model = pixelwise()
    got = made(batch, model, strength=0.0)
    guess = sharpen(to_probs(model.eval()(batch.image)), 0.5)
    assert torch.equal(got.target[0], batch.target[0])
    for image in (1, 2, 3):  # the third is called clean, but has no label
        torch.testing.assert_close(got.target[image], guess[image].detach())
    assert torch.equal(got.weight[:2], batch.weight[:2])  # ignored pixels stay ignored
    assert got.weight[2:].min() == 1  # where there is no label, nothing was ignored
    assert got.clean.tolist() == [True, False, False, False]
    assert got.labelled.all()
    assert not got.target.requires_grad


def test_every_image_prevails_in_its_own_blend() -> None:
    labels = torch.arange(40).byte().view(-1, 1, 1).expand(40, 3, 3)  # each image is all of a class of its own
    got = made(batch_of(labels, num_classes=40, clean=[True] * 40), pixelwise(40), alpha=1.0)
    shares = got.target[..., 0, 0]  # (B, C)
    own = shares.diag()
    assert own.min() >= 0.5
    assert len(own.unique()) > 30
    torch.testing.assert_close(got.image[:, 0, 0, 0], shares @ torch.arange(40.0))


def test_looking_leaves_the_model_as_it_was() -> None:
    model = pixelwise().train()
    before = [tensor.clone() for tensor in model.state_dict().values()]
    made(images(random_labels(4, 6, 6)), model)
    assert all(torch.equal(old, new) for old, new in zip(before, model.state_dict().values(), strict=True))
    assert all(module.training for module in model.modules())


def half_clean() -> tuple[Tensor, Batch]:
    """Give logits and a mixed batch of four, two of each term, with soft targets and pixels to leave out."""
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 4, 3, 5, 5, generator=generator)
    batch = batch_of(random_labels(4, 5, 5, ignored=0.3), clean=[True, False, False, True])
    return logits, batch._replace(target=target.softmax(1))


def test_the_terms_are_the_papers() -> None:
    logits, batch = half_clean()
    terms = MixMatch(weight=4.0, rampup_fraction=0.0).loss_terms(logits, batch, CrossEntropy(), START)
    probs, target, weight = to_probs(logits).numpy(), batch.target.numpy(), batch.weight.numpy()
    clean, others = [0, 3], [1, 2]
    entropy = -(target[clean] * np.log(probs[clean])).sum(1)
    assert terms["supervised"].item() == pytest.approx(np.average(entropy, weights=weight[clean]), rel=1e-5)
    squared = ((probs[others] - target[others]) ** 2).mean(1)  # over L = 3 classes
    # Over all pixels of these images, so that what is ignored makes the term smaller.
    assert terms["unsupervised"].item() == pytest.approx(4 * (squared * weight[others]).sum() / (2 * 25), rel=1e-5)


def test_the_unsupervised_term_grows_evenly() -> None:
    logits, batch = half_clean()
    strategy = MixMatch(rampup_fraction=0.5)
    terms = [
        strategy.loss_terms(logits, batch, CrossEntropy(), Progress(0, step, 1, 100))["unsupervised"].item()
        for step in (0, 10, 25, 50, 90)
    ]
    assert terms == pytest.approx([0, 0.2 * terms[4], 0.5 * terms[4], terms[4], terms[4]])
    assert terms[4] > 0


@pytest.mark.parametrize("clean", [True, False])
def test_a_batch_of_one_kind_has_one_term(clean: bool) -> None:
    logits, batch = half_clean()
    logits.requires_grad_()
    batch = batch._replace(clean=torch.full((4,), clean))
    terms = MixMatch(rampup_fraction=0.0).loss_terms(logits, batch, CrossEntropy(), START)
    missing, there = ("unsupervised", "supervised") if clean else ("supervised", "unsupervised")
    assert terms[missing].item() == 0
    assert terms[there].item() > 0
    torch.stack(list(terms.values())).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_teacher_guesses_in_the_models_place(samples: Samples) -> None:
    batch, model = images(random_labels(4, 6, 6)), pixelwise()
    strategy = MixMatch(teacher_decay=0.9)
    strategy.attach(model, samples)
    torch.manual_seed(0)
    before = strategy.prepare(batch, model, START)
    with torch.no_grad():
        model[3].weight.neg_()
    torch.manual_seed(0)
    assert same(strategy.prepare(batch, model, START), before)
    for _ in range(3):
        strategy.after_step(model)
    torch.manual_seed(0)
    assert not same(strategy.prepare(batch, model, START), before)
    assert strategy.teacher is strategy.follower.model  # type: ignore[union-attr]
    assert not any(parameter.requires_grad for parameter in strategy.parameters())
    assert MixMatch().teacher is None


def test_overlapping_classes_are_guessed_one_by_one() -> None:
    class Pairs(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            logits = torch.cat([image, -image, 2 * image], dim=1)  # (B, 3, H, W)
            return torch.stack([torch.zeros_like(logits), logits], dim=2)

    planes = random_labels(4, 3, 6, 6, num_classes=2)
    batch = batch_of(planes, clean=[True, False, True, False])
    got = made(batch, Pairs(), temperature=1.0)
    assert got.target.shape == (4, 3, 2, 6, 6)
    torch.testing.assert_close(got.target.sum(2), torch.ones(4, 3, 6, 6))
    terms = MixMatch().loss_terms(Pairs()(got.image), got, CrossEntropy(), Progress(0, 90, 1, 100))
    assert all(term > 0 for term in terms.values())


def test_nothing_is_read_back_from_the_device() -> None:
    batch = on_no_device(batch_of(random_labels(4, 8, 8)))
    got = MixMatch(keep_given=True).prepare(batch, pixelwise().to("meta"), START)
    assert got.target.shape == batch.target.shape


def test_data_without_a_clean_sample_is_refused(samples: Samples) -> None:
    noisy = samples._replace(clean=torch.zeros(8, dtype=torch.bool))
    with pytest.raises(ConfigError, match=r"none of the 8 .* data\.clean, .* data\.clean_per_batch"):
        MixMatch().attach(nn.Identity(), noisy)


def test_it_trains_with_clean_samples_in_every_batch(tmp_path: Path) -> None:
    overrides = ("noise=mixmatch", "noise.mixmatch.teacher_decay=0.9", "task.predict_with=teacher")
    parts = build(small_config("data.clean_per_batch=2", "callbacks=[last]", *overrides), tmp_path)
    seen: list[int] = []
    prepare = parts.task.strategy.prepare

    def watch(batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        seen.append(int(batch.clean.sum()))
        return prepare(batch, model, progress)

    parts.task.strategy.prepare = watch  # type: ignore[method-assign]
    parts.trainer.fit(parts.task, datamodule=parts.data)
    assert seen == [2] * 9
    assert parts.trainer.callback_metrics["val/dice"].isfinite()
    assert parts.trainer.callback_metrics["train/loss_unsupervised"] > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("views", 0),
        ("temperature", 0.0),
        ("alpha", 0.0),
        ("weight", -1.0),
        ("rampup_fraction", 2.0),
        ("strength", -1),
    ],
)
def test_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"The '{name}' of MixMatch must be"):
        MixMatch(**{name: value})  # type: ignore[arg-type]
