"""Masks of several annotators become the labels, of samples that are not clean, once and in every process alike."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.data.labels import RevisedLabels
from segtrain.errors import ConfigError
from segtrain.noise import AnnotatorFusion
from segtrain.run.build import build
from segtrain.types import IGNORE, Samples
from tests.small import small_config


class MaskView:
    """A training set of masks by several annotators, which keeps what is rewritten.

    Args:
        masks: of each sample, annotator -> mask.
        clean: samples that are.
        share: of this process.
        gather: adds a table up over the processes.
    """

    def __init__(
        self,
        masks: Sequence[dict[str, np.ndarray]],
        clean: Sequence[int] = (),
        share: Sequence[int] | None = None,
        gather: Callable[[Tensor], Tensor] = lambda table: table,
    ) -> None:
        self.masks = masks
        total = len(masks)
        flags = torch.zeros(total, dtype=torch.bool)
        flags[list(clean)] = True
        unknown = torch.full((total,), -1)
        counts = torch.tensor([len(found) for found in masks])
        self.samples = Samples(flags, torch.ones(total, dtype=torch.bool), unknown, unknown, counts)
        self.share = range(total) if share is None else share
        self.annotation_names = sorted({name for found in masks for name in found})
        self.gather = gather
        self.read: list[int] = []
        self.labels: dict[int, tuple[Tensor, Tensor]] = {}

    def annotations(self, index: int) -> dict[str, Tensor]:
        self.read.append(index)
        return {name: torch.from_numpy(mask) for name, mask in self.masks[index].items()}

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        assert index not in self.labels
        self.labels[index] = (probs, weight)


def audited(view: MaskView, **settings: object) -> AnnotatorFusion:
    strategy = AnnotatorFusion(**{"num_classes": 2, **settings})  # type: ignore[arg-type]
    strategy.attach(nn.Identity(), view.samples)
    strategy.audit(view, 0)  # type: ignore[arg-type]
    return strategy


def mask(*rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


THREE = {"a": mask([0, 1], [1, 2]), "b": mask([0, 1], [2, 2]), "c": mask([0, 0], [1, IGNORE])}


def test_soft_votes_are_shares_and_hard_ones_the_likeliest() -> None:
    view = MaskView([THREE])
    audited(view, num_classes=3)
    probs, weight = view.labels[0]
    expected = [[[1, 1 / 3], [0, 0]], [[0, 2 / 3], [2 / 3, 0]], [[0, 0], [1 / 3, 1]]]
    assert torch.allclose(probs, torch.tensor(expected))
    assert weight.tolist() == [[1, 1], [1, 1]]
    view = MaskView([THREE])
    audited(view, num_classes=3, soft=False)
    assert view.labels[0][0].argmax(dim=0).tolist() == [[0, 1], [1, 2]]
    assert set(view.labels[0][0].unique().tolist()) == {0, 1}


def test_votes_that_tie_share_the_pixel() -> None:
    view = MaskView([{"a": mask([0, 1]), "b": mask([0, 0])}])
    audited(view, soft=False)
    assert view.labels[0][0].tolist() == [[[1, 0.5]], [[0, 0.5]]]


@pytest.mark.parametrize("method", ["majority", "staple", "confusion"])
@pytest.mark.parametrize("pixels", ["disputed", "all"])
def test_what_nobody_labelled_is_ignored_and_probabilities_are_some(method: str, pixels: str) -> None:
    rng = np.random.default_rng(0)
    masks = [{name: rng.integers(0, 3, (6, 7)).astype(np.uint8) for name in "abc"} for _ in range(4)]
    for one in masks[2].values():
        one[:2] = IGNORE
    masks[2]["a"][2:4] = IGNORE
    view = MaskView(masks)
    audited(view, num_classes=3, method=method, pixels=pixels)
    assert set(view.labels) == {0, 1, 2, 3}
    for probs, weight in view.labels.values():
        assert probs.shape == (3, 6, 7)
        assert torch.allclose(probs.sum(dim=0), torch.ones(()))
        assert weight.dtype == probs.dtype == torch.float32
    assert (view.labels[2][1] == 1).all(dim=1).tolist() == [False, False, True, True, True, True]
    assert (view.labels[2][1][:2] == 0).all()
    assert (view.labels[0][1] == 1).all()


@pytest.mark.parametrize("method", ["majority", "staple", "confusion"])
def test_overlapping_classes_are_fused_one_by_one(method: str) -> None:
    rng = np.random.default_rng(1)
    planes = [{name: rng.integers(0, 2, (3, 8, 9)).astype(np.uint8) for name in "abc"} for _ in range(3)]
    planes[0]["a"][:, 0, 0] = IGNORE
    for one in planes[0].values():
        one[1, 1, 1] = IGNORE
    view = MaskView(planes)
    audited(view, num_classes=3, method=method)
    probs, weight = view.labels[0]
    assert probs.shape == (3, 2, 8, 9)
    assert torch.allclose(probs.sum(dim=1), torch.ones(()))
    assert weight[0, 0] == 1
    assert weight[1, 1] == 0
    assert weight.sum() == 71
    if method == "majority":
        shares = np.mean([planes[0][name][2, 1:] for name in "abc"], axis=0)
        assert np.allclose(probs[2, 1, 1:], shares, atol=1e-6)


def test_only_samples_that_are_not_clean_and_have_two_masks_are_rewritten_once() -> None:
    view = MaskView([THREE, THREE, {"a": THREE["a"]}, {}, THREE], clean=[1])
    strategy = audited(view, num_classes=3)
    assert set(view.labels) == {0, 4}
    view.labels.clear()
    for epoch in (1, 2):
        strategy.audit(view, epoch)  # type: ignore[arg-type]
    assert not view.labels
    assert strategy.state_dict() == {}


@pytest.mark.parametrize("clean", [(), (0,)])
def test_data_without_several_masks_are_refused(clean: tuple[int, ...]) -> None:
    view = MaskView([THREE if clean else {"a": THREE["a"]}, {}], clean=clean)
    with pytest.raises(ConfigError, match=r"masks by two annotators or more: name them by data\.annotations"):
        AnnotatorFusion(3).attach(nn.Identity(), view.samples)


def test_bad_values_are_all_named() -> None:
    with pytest.raises(ConfigError) as error:
        AnnotatorFusion(2, method="mean", pixels="some", iterations=0, tolerance=0, max_images=0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 5


def crowd(count: int = 12, size: int = 24, seed: int = 0) -> tuple[list[dict[str, np.ndarray]], list[np.ndarray]]:
    """Discs labelled by a careful annotator and two careless ones, pixel by pixel."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((size, size)) - size / 2
    masks, truths = [], []
    for _ in range(count):
        truth = (np.hypot(rows, columns) < rng.uniform(4, 10)).astype(np.uint8)
        flips = {"careful": 0.02, "one": 0.3, "other": 0.3}
        masks.append({name: truth ^ (rng.random(truth.shape) < rate) for name, rate in flips.items()})
        truths.append(truth)
    return masks, truths


def accuracy(view: MaskView, truths: list[np.ndarray]) -> float:
    return float(np.mean([(view.labels[i][0].argmax(dim=0).numpy() == truths[i]).mean() for i in view.labels]))


def test_confusion_knows_the_careful_annotator_where_votes_do_not() -> None:
    masks, truths = crowd()
    found = {}
    for method in ("majority", "staple", "confusion"):
        view = MaskView(masks)
        audited(view, method=method)
        found[method] = accuracy(view, truths)
    assert found["confusion"] > 0.96
    assert found["majority"] < 0.93


def test_much_agreed_background_lets_whoever_draws_an_object_be_believed() -> None:
    """Seven outlines of one disc, now wider, now tighter: what the paper's EM makes of all pixels is too large."""
    rows, columns = np.indices((96, 96)) - 48
    rng = np.random.default_rng(2)
    areas: dict[str, list[float]] = {"majority": [], "disputed": [], "all": []}
    for _ in range(10):
        radii = dict(zip("abcdefg", 12 + rng.normal(0, 2, 7), strict=True))
        middles = rng.normal(0, 1.5, (7, 2))
        masks = {
            name: (np.hypot(rows - middle[0], columns - middle[1]) < radius).astype(np.uint8)
            for (name, radius), middle in zip(radii.items(), middles, strict=True)
        }
        for name, found in areas.items():
            view = MaskView([masks])
            audited(view, soft=False, **({} if name == "majority" else {"method": "staple", "pixels": name}))
            found.append(float(view.labels[0][0][1].sum()) / np.mean([one.sum() for one in masks.values()]))
            same = torch.from_numpy(np.ptp(list(masks.values()), axis=0) == 0)
            assert torch.equal(view.labels[0][0][1][same], torch.from_numpy(masks["a"]).float()[same])
    assert np.mean(areas["all"]) > np.mean(areas["majority"]) + 0.03
    assert np.mean(areas["disputed"]) < np.mean(areas["all"])


def test_several_processes_learn_what_one_does() -> None:
    masks, _ = crowd(9)
    alone = MaskView(masks)
    audited(alone, method="confusion")
    barrier, tables = threading.Barrier(2), [torch.zeros(()), torch.zeros(())]

    def gather(rank: int) -> Callable[[Tensor], Tensor]:
        def add(table: Tensor) -> Tensor:
            tables[rank] = table
            barrier.wait(10)
            total = tables[0] + tables[1]
            barrier.wait(10)
            return total

        return add

    views = [MaskView(masks, share=range(rank, 9, 2), gather=gather(rank)) for rank in range(2)]
    threads = [threading.Thread(target=audited, args=(view,), kwargs={"method": "confusion"}) for view in views]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(views[0].labels) == {0, 2, 4, 6, 8}
    assert set(views[1].labels) == {1, 3, 5, 7}
    for index, (probs, _) in (views[0].labels | views[1].labels).items():
        assert torch.allclose(probs, alone.labels[index][0], atol=1e-4)


def test_a_process_without_several_masks_waits_for_the_others() -> None:
    masks, _ = crowd(3)
    view = MaskView([*masks, {}], share=[3], gather=lambda table: table + 1)
    audited(view, method="confusion", iterations=2)
    assert not view.labels


def test_confusion_learns_from_some_images_evenly_spread() -> None:
    masks, _ = crowd(12)
    few, all_of_them = MaskView(masks), MaskView(masks)
    audited(few, method="confusion", max_images=4)
    audited(all_of_them, method="confusion")
    assert few.read[:4] == [0, 3, 6, 9]
    assert len(all_of_them.read) - len(few.read) == 8
    assert set(few.labels) == set(range(12))


def test_from_the_config_to_the_files(tmp_path: Path) -> None:
    """Fused labels are nearer to the truth than the given ones, and clean ones have no file."""
    parts = build(small_config("noise=annotator_fusion", "data.annotators=5", "trainer.max_epochs=1"), tmp_path)
    parts.trainer.fit(parts.task, datamodule=parts.data)
    source, revised = parts.data.splits["train"], RevisedLabels(tmp_path / "revised")
    wrong = {"given": 0.0, "fused": 0.0}
    for index in range(len(source)):
        label = revised.read(1, source.ids[index])
        assert (label is None) == bool(source.samples.clean[index])
        if label is not None:
            votes = np.mean([one == 1 for one in source.annotations(index).values()], axis=0)
            assert np.allclose(label.probs[1], votes, atol=1e-3)
            truth = source.references(index)["clean"]
            wrong["given"] += float((source.read(index).label != truth).mean())
            wrong["fused"] += float((label.probs.argmax(axis=0) != truth).mean())
    assert parts.data.revision == 1
    assert 0 < wrong["fused"] < 0.9 * wrong["given"]


def test_simulated_annotators_of_a_corruption_are_fused_too(tmp_path: Path) -> None:
    overrides = ("data.label_noise=null", "corruption=annotator", "noise.annotator_fusion.method=confusion")
    parts = build(small_config("noise=annotator_fusion", *overrides, "trainer.max_epochs=1"), tmp_path)
    parts.trainer.fit(parts.task, datamodule=parts.data)
    assert len(list((tmp_path / "revised").rglob("*.npz"))) == int((~parts.data.splits["train"].samples.clean).sum())
