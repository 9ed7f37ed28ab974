"""What lists, patterns and side tables say of samples: their split, their group, and which are clean."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from segtrain.data.faults import Faults
from segtrain.data.files import without_extension
from segtrain.data.rows import read_rows
from segtrain.errors import DataError

__all__ = ["by_lists", "clean_samples", "groups_of", "names_of"]


def names_of(ids: Sequence[str], stems: Sequence[str], images: Sequence[str]) -> dict[str, str]:
    """Give every name that a line of a list may use for a sample, with the sample's id."""
    names: dict[str, str] = {}
    for sample, stem, image in zip(ids, stems, images, strict=True):
        for name in (sample, stem, image, without_extension(image)):
            names.setdefault(name, sample)
    return names


def read_list(path: Path) -> list[str]:
    """Read a text file with one name a line.

    Raises:
        DataError: it cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list {path} cannot be read: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(f"the list {path} is empty")
    return names


def by_lists(root: Path, lists: Mapping[str, str], names: Mapping[str, str], faults: Faults) -> dict[str, str]:
    """Give the split of each sample that a list names; the others are in none.

    Args:
        root: folder of the lists.
        lists: split -> text file with one sample a line, by its id, its stem or its image's path.
        names: every name that a line may use -> the sample it means.
        faults: where unknown and repeated samples are noted.
    """
    chosen: dict[str, str] = {}
    for split, file in lists.items():
        for line in read_list(root / file):
            sample = names.get(line) or names.get(without_extension(line))
            if sample is None:
                faults.add("lines that name no sample", f"{file}: no sample is called '{line}'")
            elif sample in chosen:
                faults.add("lines that repeat a sample", f"{file}: '{line}' is in {lists[chosen[sample]]} already")
            else:
                chosen[sample] = split
    return chosen


def clean_samples(root: Path, clean: str, names: Mapping[str, str], faults: Faults) -> set[str]:
    """Give the ids of the samples that a list or a pattern calls clean.

    Args:
        root: folder of the list.
        clean: a list's file; or a pattern over ids, which has one of "*", "?" and "[".
        names: every name that a line may use -> the sample it means.
        faults: where lines without a sample and a pattern without a match are noted.
    """
    if not set("*?[") & set(clean):
        return set(by_lists(root, {"clean": clean}, names, faults))
    found = {sample for sample in names.values() if fnmatch.fnmatchcase(sample, clean)}
    if not found:
        faults.add("patterns without a match", f"data.clean='{clean}' matches no sample")
    return found


def groups_of(root: Path, group: str, ids: Sequence[str], faults: Faults) -> dict[str, str]:
    """Give each sample's group, as a regular expression or a side table says.

    Args:
        root: folder of the table.
        group: an expression with one group, searched in the id; or, without brackets, a table's file with the
            columns id and group.
        ids: of the samples.
        faults: where samples without a group are noted.

    Raises:
        DataError: the table cannot be read or lacks a column.
    """
    found = _from_expression(group, ids) if "(" in group else _from_table(root / group)
    for sample in ids:
        if not found.get(sample):
            faults.add("samples without a group", f"data.group='{group}' gives sample '{sample}' no group")
    return found


def _from_expression(group: str, ids: Sequence[str]) -> dict[str, str]:
    matches = {sample: re.search(group, sample) for sample in ids}
    return {sample: match[1] or "" for sample, match in matches.items() if match}


def _from_table(path: Path) -> dict[str, str]:
    rows = read_rows(path)
    if missing := {"id", "group"} - rows[0].keys():
        raise DataError(f"the table {path} of data.group lacks the column {' and '.join(sorted(missing))}")
    return {row["id"]: row["group"] for row in rows}
