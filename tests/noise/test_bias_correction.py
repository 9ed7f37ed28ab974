"""Bias correction: noisy samples first, then one audit that rewrites them, then everybody."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from segtrain.errors import ConfigError
from segtrain.noise import BiasCorrection
from segtrain.run.build import build
from segtrain.types import Samples
from tests.audit.scenes import SceneView, dice, moved, scene
from tests.small import small_config

TRUTHS = [scene(number) for number in range(40)]


def attached(samples: Samples, **options: object) -> BiasCorrection:
    strategy = BiasCorrection(epochs=10, num_classes=2, **options)  # type: ignore[arg-type]
    strategy.attach(nn.Identity(), samples)
    return strategy


def quality(view: SceneView) -> float:
    noisy = range(view.num_clean, len(view.truths))
    return float(np.mean([dice(view.after(index)[1], view.truths[index][1]) for index in noisy]))


def test_labels_drawn_too_wide_are_mended_once_at_the_correction() -> None:
    view = SceneView(TRUTHS, moved(3.0, 0.5), moved(3.0, 0.5))
    strategy = attached(view.samples)
    before = quality(view)
    for epoch in range(10):
        strategy.audit(view, epoch)
        assert bool(view.relabelled) == (epoch >= 3)
    assert view.passes == 2
    assert before < 0.82
    assert quality(view) > 0.95
    displacement, low, high = strategy.bias[:3, 1].tolist()
    assert low < displacement < high
    assert displacement == pytest.approx(3.0, abs=0.4)


@pytest.mark.parametrize("model", [0.0, 2.0])
def test_right_labels_stay_as_they_are(model: float) -> None:
    view = SceneView(TRUTHS, moved(0.0), moved(model, 0.5))
    attached(view.samples).audit(view, 4)
    assert not view.relabelled


def test_unbiased_labels_lose_nothing() -> None:
    view = SceneView(TRUTHS, moved(0.0, 2.0), moved(0.0, 0.5))
    before = quality(view)
    attached(view.samples).audit(view, 4)
    assert quality(view) > before


def test_a_labels_own_deviation_is_worth_undoing() -> None:
    ends = []
    for own in (True, False):
        view = SceneView(TRUTHS, moved(2.0, 2.0), moved(2.0, 0.2))
        attached(view.samples, own=own).audit(view, 4)
        ends.append(quality(view))
    assert ends[0] > ends[1] + 0.02


def test_what_may_be_the_models_caution_on_new_images_is_not_undone() -> None:
    """Labels as right as clean ones, and a model that draws both 0.2 pixels too small, for certain."""
    view = SceneView(TRUTHS, moved(-0.2, 0.1), moved(-0.2, 0.1), num_clean=16)
    strategy = attached(view.samples)
    strategy.audit(view, 4)
    assert not strategy.bias[0].any() or strategy.bias[2, 1] > -0.25
    assert not view.relabelled


def test_an_annotators_habit_is_worth_undoing() -> None:
    names = [number % 2 for number in range(40)]
    ends = []
    for per_annotator in (True, False):
        view = SceneView(
            TRUTHS, moved(0.0, 0.5), moved(2.0, 0.2), 16, names=names, habits=[0.5 + 3 * name for name in names]
        )
        attached(view.samples, own=False, per_annotator=per_annotator).audit(view, 4)
        ends.append(quality(view))
    assert ends[0] > ends[1] + 0.02


def test_shaky_outlines_are_worth_averaging() -> None:
    def shaky(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rows, columns = rng.integers(-3, 4, 2)
        return np.roll(planes, (rows, columns), axis=(1, 2))

    ends = []
    for jitter in (True, False):
        view = SceneView(TRUTHS, shaky, moved(0.0, 0.2))
        attached(view.samples, jitter=jitter).audit(view, 4)
        ends.append(quality(view))
    assert ends[0] > ends[1] + 0.02


def test_noisy_samples_come_first_then_all_and_at_the_end_the_clean_ones(samples: Samples) -> None:
    strategy = attached(samples, clean_share=0.5, end_on_clean=0.2)
    clean = samples.clean.float()
    share = (1 - clean).sum() / clean.sum() * clean
    for epoch, expected in ((0, 1 - clean), (3, 1 - clean), (4, 1 - clean + share), (7, 1 - clean + share), (8, clean)):
        strategy.corrected.fill_(epoch > 3)
        assert strategy.sample_weights(samples, epoch).tolist() == pytest.approx(expected.tolist())
    assert strategy.restarts == {3: 1.0, 8: 0.5}
    assert attached(samples).restarts == {3: 1.0}


def test_it_waits_for_a_class_that_the_model_does_not_show_yet() -> None:
    blind = SceneView(TRUTHS, moved(3.0, 0.5), lambda planes, _: np.zeros_like(planes))
    strategy = attached(blind.samples)
    for epoch in range(3, 6):
        strategy.audit(blind, epoch)
        assert not strategy.corrected
        assert not blind.relabelled
    seeing = SceneView(TRUTHS, moved(3.0, 0.5), moved(3.0, 0.5))
    strategy.audit(seeing, 6)
    assert strategy.corrected
    assert quality(seeing) > 0.95
    late = attached(blind.samples)
    late.audit(blind, 6)  # half of the time is gone: whatever can be measured
    assert late.corrected


def test_unlabelled_samples_are_not_drawn_and_all_clean_ones_are(samples: Samples) -> None:
    labelled = samples.labelled.clone()
    labelled[0] = False
    assert attached(samples).sample_weights(samples._replace(labelled=labelled), 0)[0] == 0
    all_clean = samples._replace(clean=torch.ones(8, dtype=torch.bool))
    assert attached(all_clean).sample_weights(all_clean, 0).tolist() == [1.0] * 8


def test_it_needs_clean_samples(samples: Samples) -> None:
    with pytest.raises(ConfigError, match=r"data\.clean"):
        attached(samples._replace(clean=torch.zeros(8, dtype=torch.bool)))


@pytest.mark.parametrize(
    ("option", "value"),
    [("epochs", 1), ("correct_at", 0.0), ("confidence", 1.0), ("scale", "metres"), ("clean_share", 1.0),
     ("end_on_clean", 0.7), ("end_lr_factor", 0.0), ("num_classes", 0)],
)  # fmt: skip
def test_values_out_of_range_are_named(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"The '{option}' of BiasCorrection"):
        BiasCorrection(**({"epochs": 10, "num_classes": 2} | {option: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("labels", "classes"), [("exclusive", "[background,cell]"), ("overlapping", "[cell]")])
def test_a_real_training_rewrites_labels_of_its_noisy_samples_alone(tmp_path: Path, labels: str, classes: str) -> None:
    overrides = (
        "noise=bias_correction", f"data.labels={labels}", f"data.classes={classes}", "data.num_train=24",
        "data.label_noise.steps.dilate.rate=1", "data.label_noise.steps.dilate.radius=[3,4]", "model.width=8",
        "trainer.max_epochs=4", "optimizer.lr=0.01", "trainer.limit_val_batches=0",
    )  # fmt: skip
    parts = build(small_config(*overrides), tmp_path)
    parts.trainer.fit(parts.task, datamodule=parts.data)
    source, bias = parts.data.splits["train"], parts.task.strategy.bias
    noisy = {source.ids[index] for index in (~source.samples.clean).nonzero().flatten()}
    rewritten = {path.stem for path in (tmp_path / "revised").rglob("*.npz")}
    assert rewritten
    assert rewritten <= noisy
    assert bias[1, -1] > 0  # the least displacement, and it is outward
