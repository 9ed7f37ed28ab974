"""Looking at every file of a data set: the engine of `segtrain check-data`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from segtrain.data.check_report import CheckReport
from segtrain.data.examine import Examined, Finding
from segtrain.data.source import DataSet, Source
from segtrain.data.tally import Tally
from segtrain.data.twins import NearTwins, Seen, Twins

__all__ = ["check", "near_duplicates"]


def check(
    data_set: DataSet,
    *,
    num_workers: int = 0,
    near_duplicates: bool = False,
    on_sample: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Read every sample of every split, one after another, and report its faults and the statistics.

    Args:
        data_set: any; images made on the fly have statistics, but no files that could be unusual.
        num_workers: processes that read; 0 = this one.
        near_duplicates: also name images of different splits that look nearly the same.
        on_sample: is told how many samples are done, and of how many.

    Raises:
        DataError: the files cannot even be listed; every fault is named.
    """
    splits = data_set.splits()
    report = CheckReport(classes=list(data_set.classes), overlapping=data_set.overlapping)
    report.tallies = {name: Tally(source, report.classes) for name, source in splits.items()}
    twins, near = Twins(), NearTwins()
    total = sum(len(source) for source in splits.values())
    for done, (split, finding) in enumerate(_findings(splits, data_set, near_duplicates, num_workers), start=1):
        report.add(split, finding)
        if twin := twins.add(split, finding):
            report.add_twin(twin, split, finding)
        near.add(split, finding)
        if on_sample is not None:
            on_sample(done, total)
    report.near_twins = near.pairs()
    report.finish()
    return report


def near_duplicates(data_set: DataSet, num_workers: int = 0) -> list[tuple[float, Seen, Seen]]:
    """Give the images that look nearly like one of an earlier split, which a score on them rewards for being learned.

    Args:
        data_set: any; every image is read once.
        num_workers: processes that read; 0 = this one.

    Returns:
        The correlation of two sketches, the earlier split's image and the other one, the nearest first.
    """
    near = NearTwins()
    for split, finding in _findings(data_set.splits(), data_set, True, num_workers):
        near.add(split, finding)
    return near.pairs()


def _findings(
    splits: Mapping[str, Source], data_set: DataSet, sketches: bool, num_workers: int
) -> Iterator[tuple[str, Finding]]:
    for split, source in splits.items():
        examined = Examined(source, data_set, sketches)
        loader: Iterable[Finding] = DataLoader(
            examined, batch_size=None, num_workers=num_workers, collate_fn=_as_it_is, worker_init_fn=_one_thread
        )
        for finding in loader:
            yield split, finding


def _as_it_is(finding: Any) -> Any:
    return finding


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
