"""Region metrics against torchmetrics, scikit-learn and numpy loops."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torchmetrics.classification import (
    BinaryJaccardIndex,
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
    MulticlassRecall,
)

from segtrain.metrics import CalibrationError, SegmentationMetrics
from segtrain.metrics import functional as F
from segtrain.types import IGNORE


def masks(num_classes, shape=(3, 40, 30), seed=0, ignored=0.1):
    """A prediction and a label that share most pixels, some ignored."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, num_classes, shape, generator=generator, dtype=torch.uint8)
    other = torch.randint(0, num_classes, shape, generator=generator, dtype=torch.uint8)
    pred = torch.where(torch.rand(shape, generator=generator) < 0.6, label, other)
    return pred, label.masked_fill(torch.rand(shape, generator=generator) < ignored, IGNORE)


def names(num_classes):
    return [f"class{c}" for c in range(num_classes)]


@pytest.mark.parametrize("num_classes", [2, 5, 21, 255])
def test_confusion_is_sklearns(num_classes):
    pred, label = masks(num_classes)
    counted = label != IGNORE
    expected = confusion_matrix(label[counted], pred[counted], labels=range(num_classes))
    for dtype in (torch.uint8, torch.int32, torch.int64):
        ours = F.confusion(pred.to(dtype), label, num_classes)
        assert ours.dtype == torch.int64
        assert ours.tolist() == expected.tolist()
    witness = MulticlassConfusionMatrix(num_classes, ignore_index=IGNORE)(pred, label.int())
    assert torch.equal(F.confusion(pred, label, num_classes), witness)


@pytest.mark.parametrize(
    ("score", "witness"),
    [
        (F.iou, MulticlassJaccardIndex),
        (F.dice, MulticlassF1Score),
        (F.precision, MulticlassPrecision),
        (F.recall, MulticlassRecall),
    ],
)
@pytest.mark.parametrize("num_classes", [2, 5, 21])
def test_scores_are_torchmetrics(score, witness, num_classes):
    pred, label = masks(num_classes)
    expected = witness(num_classes, average="none", ignore_index=IGNORE)(pred, label.int())
    torch.testing.assert_close(score(F.confusion(pred, label, num_classes)).float(), expected)


def test_means_are_torchmetrics():
    num_classes = 6
    pred, label = masks(num_classes)
    metrics = SegmentationMetrics(classes=names(num_classes))
    metrics.update(pred, label)
    ours = metrics.compute()
    options = {"num_classes": num_classes, "ignore_index": IGNORE}
    witnesses = {
        "iou": MulticlassJaccardIndex(average="macro", **options),
        "dice": MulticlassF1Score(average="macro", **options),
        "precision": MulticlassPrecision(average="macro", **options),
        "recall": MulticlassRecall(average="macro", **options),
        "accuracy": MulticlassAccuracy(average="micro", **options),
        "fw_iou": MulticlassJaccardIndex(average="weighted", **options),
    }
    for name, witness in witnesses.items():
        assert ours[name] == pytest.approx(float(witness(pred, label.int())), abs=1e-6), name


def test_scores_of_a_loop():
    pred, label = masks(3, shape=(9, 7), seed=3)
    tp = fp = fn = 0
    for p, t in zip(pred.flatten().tolist(), label.flatten().tolist(), strict=True):
        if t != IGNORE:
            tp += p == 1 and t == 1
            fp += p == 1 and t != 1
            fn += p != 1 and t == 1
    counts = F.confusion(pred, label, 3)
    assert F.iou(counts)[1].item() == pytest.approx(tp / (tp + fp + fn))
    assert F.dice(counts)[1].item() == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert F.precision(counts)[1].item() == pytest.approx(tp / (tp + fp))
    assert F.recall(counts)[1].item() == pytest.approx(tp / (tp + fn))


def test_names_of_the_scores():
    metrics = SegmentationMetrics(classes=["background", "cell"])
    metrics.update(*masks(2))
    scores = metrics.compute()
    per_class = {f"{s}/{c}" for s in ("dice", "iou", "precision", "recall") for c in ("background", "cell")}
    assert set(scores) == {"dice", "iou", "precision", "recall", "accuracy", "fw_iou"} | per_class
    assert {type(value) for value in scores.values()} == {float}


def test_background_is_left_out_of_means():
    metrics = SegmentationMetrics(classes=["background", "cell", "dirt"])
    metrics.update(*masks(3))
    scores = metrics.compute()
    assert scores["iou"] == pytest.approx((scores["iou/cell"] + scores["iou/dirt"]) / 2)
    assert scores["iou/background"] > 0
    named_otherwise = SegmentationMetrics(classes=["sky", "cell", "dirt"])
    named_otherwise.update(*masks(3))
    assert named_otherwise.compute()["iou"] == pytest.approx(
        (scores["iou/background"] + scores["iou/cell"] + scores["iou/dirt"]) / 3
    )


def test_absent_class_is_nan_and_left_out():
    metrics = SegmentationMetrics(classes=["a", "b", "c", "d"])
    # b is in the label only, c in the prediction only, d in neither
    metrics.update(torch.tensor([[0, 0, 2, 0]]), torch.tensor([[0, 1, 0, 0]]))
    scores = metrics.compute()
    for name in ("dice", "iou", "precision", "recall"):
        assert np.isnan(scores[f"{name}/d"])
        assert scores[f"{name}/b"] == scores[f"{name}/c"] == 0
        assert scores[name] == pytest.approx(scores[f"{name}/a"] / 3)


def test_nothing_counted_is_nan():
    metrics = SegmentationMetrics(classes=["a", "b"])
    metrics.update(torch.zeros(4, 4, dtype=torch.uint8), torch.full((4, 4), IGNORE, dtype=torch.uint8))
    assert all(np.isnan(value) for value in metrics.compute().values())
    assert metrics.matrix.sum() == 0


def test_overlapping_is_binary_class_by_class():
    num_classes = 3
    pred, label = masks(2, shape=(4, num_classes, 20, 30))
    metrics = SegmentationMetrics(classes=names(num_classes), overlapping=True)
    metrics.update(pred, label)
    scores = metrics.compute()
    assert metrics.matrix.shape == (num_classes, 2, 2)
    expected = [float(BinaryJaccardIndex(ignore_index=IGNORE)(pred[:, k], label[:, k].int())) for k in range(3)]
    assert [scores[f"iou/class{k}"] for k in range(3)] == pytest.approx(expected)
    assert scores["iou"] == pytest.approx(np.mean(expected))
    counted = label != IGNORE
    right = [float((pred[:, k] == label[:, k])[counted[:, k]].float().mean()) for k in range(3)]
    assert scores["accuracy"] == pytest.approx(np.mean(right))
    positive = np.array([int((label[:, k] == 1).sum()) for k in range(3)])
    assert scores["fw_iou"] == pytest.approx(float((positive * expected).sum() / positive.sum()))


def test_matrix_of_a_metric_is_a_copy():
    metrics = SegmentationMetrics(classes=["a", "b"])
    metrics.update(torch.tensor([[0]]), torch.tensor([[0]]))
    before = metrics.matrix
    metrics.update(torch.tensor([[1]]), torch.tensor([[1]]))
    assert before.tolist() == [[1, 0], [0, 0]]
    assert metrics.matrix.tolist() == [[1, 0], [0, 1]]
    metrics.reset()
    assert metrics.confusion.sum() == 0


def test_histogram_adds_values():
    index, values = torch.randint(0, 7, (5, 9)), torch.rand(5, 9)
    expected = np.bincount(index.numpy().ravel(), values.numpy().ravel(), minlength=9)
    np.testing.assert_allclose(F.histogram(index, 9, values).numpy(), expected)
    assert F.histogram(index.int(), 9).tolist() == np.bincount(index.numpy().ravel(), minlength=9).tolist()


def cpu_time(call, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times)


def test_update_costs_little_more_than_a_bincount():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pred, label = masks(19, shape=(4, 512, 512))
    index = (label.long().clamp(max=18) * 19 + pred).flatten()
    metrics = SegmentationMetrics(classes=names(19))
    bare = cpu_time(lambda: torch.bincount(index, minlength=19 * 19))
    ours = cpu_time(lambda: metrics.update(pred, label))
    torch.set_num_threads(threads)
    assert ours < 5 * bare  # measured: 1.0 to 1.5 times; a boolean mask alone makes it 20


@pytest.mark.parametrize("overlapping", [False, True])
def test_update_reads_no_value(overlapping):
    """On the "meta" device tensors have no values: whatever would wait for a GPU's fails there."""
    shape = (2, 3, 8, 8) if overlapping else (2, 8, 8)
    pred, label = (torch.zeros(shape, dtype=torch.uint8, device="meta") for _ in range(2))
    metrics = SegmentationMetrics(classes=names(3), overlapping=overlapping).to("meta")
    metrics.update(pred, label)
    assert metrics.confusion.shape == ((3, 2, 2) if overlapping else (3, 3))
    with pytest.raises((NotImplementedError, RuntimeError)):
        metrics.confusion.sum().item()
    calibration = CalibrationError().to("meta")
    calibration.update(torch.zeros((2, 3, 2, 8, 8) if overlapping else (2, 3, 8, 8), device="meta"), label)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("overlapping", [False, True])
def test_update_on_a_gpu_never_waits_and_counts_alike(overlapping):
    shape = (2, 3, 64, 64) if overlapping else (2, 64, 64)
    pred, label = masks(2 if overlapping else 3, shape=shape)
    here = SegmentationMetrics(classes=names(3), overlapping=overlapping)
    here.update(pred, label)
    there = SegmentationMetrics(classes=names(3), overlapping=overlapping).cuda()
    pred, label = pred.cuda(), label.cuda()
    there.update(pred, label)
    torch.cuda.set_sync_debug_mode("error")
    try:
        there.update(pred, label)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(there.matrix, 2 * here.matrix)


def count_on_one_of_two(rank, store):
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    pred, label = masks(3)
    metrics = SegmentationMetrics(classes=names(3))
    metrics.update(pred[rank::2], label[rank::2])
    expected = F.confusion(pred, label, 3)
    assert metrics.compute() == F.region_scores(expected, names(3))
    if rank == 0:  # the report is written by one process: no other takes part
        assert torch.equal(metrics.matrix, expected)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_counts_are_added_over_processes(tmp_path: Path):
    torch.multiprocessing.spawn(count_on_one_of_two, args=(tmp_path / "store",), nprocs=2)
