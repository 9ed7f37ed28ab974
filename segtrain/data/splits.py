"""Splits: their names, their sources, how samples are dealt, and that none is on both sides."""

import difflib
import filecmp
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from segtrain.data.faults import Faults
from segtrain.data.records import Record
from segtrain.data.source import Source
from segtrain.errors import DataError

__all__ = ["SPLITS", "Splits", "by_ratio", "check_names", "find_leaks"]

SPLITS = ("train", "val", "test")
_MISNAMED = ("training", "valid", "validation", "testing", "dev", "eval", *SPLITS)


class Splits(dict[str, Source]):
    """The sources by the name of their split; asking for one that is not there says which are."""

    def __missing__(self, name: str) -> Source:
        raise DataError(f"there is no split '{name}': the data set has {', '.join(self)}. See data.split")


def by_ratio(groups: Sequence[str], labelled: Sequence[bool], ratio: Sequence[float], seed: int) -> list[str]:
    """Give each sample's split, whole groups together; the same for the same seed, whatever the order.

    Groups are dealt in an order shuffled by `seed`, each to the split that lacks most. A group with an unlabelled
    sample goes to training, as the other splits measure.

    Args:
        groups: each sample's group.
        labelled: whether it has a mask.
        ratio: shares of train, val and test, which sum to 1; two numbers leave test out.
        seed: of the shuffle.

    Raises:
        DataError: there are too few groups to fill every split.
    """
    sizes = Counter(groups)
    held = {group for group, has_mask in zip(groups, labelled, strict=True) if not has_mask}
    lacking = {name: share * len(groups) for name, share in zip(SPLITS, ratio, strict=False) if share > 0}
    chosen = dict.fromkeys(held, "train")
    if held:
        lacking["train"] = lacking.get("train", 0.0) - sum(sizes[group] for group in held)
    order = sorted(sizes.keys() - held, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = [name for name in lacking if name not in chosen.values()]
        split = max(empty if left <= len(empty) else lacking, key=lambda name: lacking[name])
        chosen[group] = split
        lacking[split] -= sizes[group]
    if len(set(chosen.values())) < sum(share > 0 for share in ratio):
        raise DataError(
            f"data.split={list(ratio)} cannot be met: {len(order)} labelled group(s) do not fill {len(ratio)} splits. "
            "Give lists, or another data.group"
        )
    return [chosen[group] for group in groups]


def check_names(names: Iterable[str], where: str, faults: Faults) -> None:
    """Note names of splits that look like a slip for train, val or test; others are splits of their own."""
    for name, count in Counter(names).items():
        close = difflib.get_close_matches(name.lower(), _MISNAMED, 1, 0.75)
        if name not in SPLITS and close:
            faults.add(
                "misnamed splits",
                f"{where} names the split '{name}' ({count} samples), the splits are called {', '.join(SPLITS)}: "
                "rename it",
            )


def find_leaks(root: Path, records: Collection[Record], faults: Faults) -> None:
    """Note images and groups that are in more than one split."""
    keys = {
        "images": [(record.image, record) for record in records],
        "groups": [(record.group, record) for record in records if record.group is not None],
    }
    for kind, pairs in keys.items():
        for key, splits in _spread(pairs).items():
            where = " and ".join(f"{split} ({_named(ids)})" for split, ids in splits.items())
            cure = "move it to one side" if kind == "images" else "keep a group on one side, or set data.group=null"
            faults.add(f"{kind} in several splits", f"the {kind[:-1]} '{key}' is in {where}: {cure}")
    images: dict[str, Record] = {}
    for record in records:
        other = images.setdefault(record.id, record)
        if other.split != record.split and _same_content(root / other.image, root / record.image):
            faults.add(
                "images in several splits",
                f"{other.image} ({other.split}) and {record.image} ({record.split}) are the same file: remove one",
            )


def _spread(pairs: Iterable[tuple[str, Record]]) -> dict[str, dict[str, list[str]]]:
    """Give each key that is in more than one split, with the samples it has there."""
    found: dict[str, dict[str, list[str]]] = {}
    for key, record in pairs:
        found.setdefault(key, {}).setdefault(record.split, []).append(record.id)
    return {key: splits for key, splits in found.items() if len(splits) > 1}


def _same_content(first: Path, second: Path) -> bool:
    return first != second and filecmp.cmp(first, second, shallow=False)


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
