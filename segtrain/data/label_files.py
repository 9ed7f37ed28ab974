"""Where the label files of a data set are: what folders and tables have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segtrain.data.faults import Faults
from segtrain.data.files import Files
from segtrain.data.records import Record, RecordSource
from segtrain.data.source import DataSet
from segtrain.data.splits import SPLITS, Splits, by_ratio, find_leaks
from segtrain.data.templates import Finder, placeholders
from segtrain.data.values import MaskValues
from segtrain.errors import DataError

__all__ = ["LabelFiles", "mask_values", "open_root", "setting_faults"]


def mask_values(
    data_set: DataSet, values: Mapping[int | str, int | str] | None, ignore_value: int | None
) -> MaskValues:
    """Say what the values in the masks mean; each overlapping class has a mask of "outside" and "inside"."""
    return MaskValues(("outside", "inside") if data_set.overlapping else data_set.classes, values, ignore_value)


def open_root(root: str) -> Path:
    """Give the root's folder.

    Raises:
        DataError: there is none.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder.absolute()}: set data.root to where the data set is")
    return folder


def setting_faults(name: str, overlapping: bool, templates: Mapping[str, Sequence[str]], split: Any) -> list[str]:
    """Check what is known before a file is looked at; gives a sentence for each fault."""
    faults = []
    for key, texts in templates.items():
        for text in texts:
            if overlapping and "class" not in placeholders(text):
                faults.append(f"The '{key}' of {name} must hold {{class}} where classes overlap, got '{text}'")
            if not overlapping and "class" in placeholders(text):
                faults.append(f"The '{key}' of {name} may hold {{class}} only with labels=overlapping, got '{text}'")
    if isinstance(split, Sequence) and not isinstance(split, str):
        numbers = [share for share in split if isinstance(share, int | float) and share >= 0]
        if not 2 <= len(numbers) == len(split) <= 3 or abs(sum(numbers) - 1) > 1e-6:
            faults.append(f"The 'split' of {name} must be 2 or 3 shares that sum to 1, got {list(split)}")
    return faults


class LabelFiles:
    """Finds the labels of each sample, gathers the rows, and ends as splits without a fault.

    Args:
        data_set: whose labels they are.
        root: folder that all files are named from.
        masks: templates of the given labels; the first that names a file counts.
        references: template of each other mask.
        annotations: template of each annotator's mask of the same images.
        clean_masks: template of the labels of clean samples; None = the same as the others'.
        unlabelled: an image without a mask is a sample, not a fault.
        values: what the masks' values mean.
        annotators: who may stand for {annotator}, each mask found being a sample of its own.
    """

    def __init__(
        self,
        *,
        data_set: DataSet,
        root: Path,
        masks: Sequence[str],
        references: Mapping[str, str],
        annotations: Mapping[str, str],
        clean_masks: str | None,
        unlabelled: bool,
        values: MaskValues,
        annotators: Sequence[str] = (),
    ) -> None:
        self.data_set = data_set
        self.root = root
        self.masks = list(masks)
        self.references = dict(references)
        self.annotations = dict(annotations)
        self.clean_masks = clean_masks
        self.unlabelled = unlabelled
        self.values = values
        self.annotators = list(annotators)
        self.faults = Faults()
        self.files = Files(str(root))
        self.finder = Finder(self.files, self.faults, data_set.classes if data_set.overlapping else ())
        self.records: list[Record] = []

    def add(self, record: Record, places: Mapping[str, str]) -> None:
        """Gather a sample's rows: one, or one for each annotator.

        Args:
            record: all but its masks.
            places: what the names in braces stand for.
        """
        record = record._replace(
            references=self._named(record, self.references, places),
            annotations=self._named(record, self.annotations, places),
        )
        drawn = self._drawn(record, places)
        if drawn:
            self.records += drawn
        elif self.unlabelled:
            self.records.append(record)
        else:
            templates = [self.clean_masks] if record.clean and self.clean_masks else self.masks
            sought = self.finder.sought(templates, {"annotator": "*", **places})
            self.faults.add(
                "images without a mask",
                f"{record.image} has no mask ({sought}): mend that, or take such images as unlabelled by "
                "data.unlabelled=true",
            )

    def splits(self, ratio: Sequence[float] | None, seed: int) -> Splits:
        """End as splits, dealt by ratio if one is given.

        Raises:
            DataError: with every fault that was noted.
        """
        heading = f"the data set in {self.root.absolute()} cannot be used:"
        if not self.records:
            self.faults.add("empty data sets", "no sample is left in any split")
        self.faults.stop(heading)
        if ratio:
            groups = [f"group {row.group}" if row.group else f"image {row.image}" for row in self.records]
            dealt = by_ratio(groups, [row.masks is not None for row in self.records], ratio, seed)
            self.records = [row._replace(split=split) for row, split in zip(self.records, dealt, strict=True)]
        find_leaks(self.root, self.records, self.faults)
        for row in self.records:
            if row.masks is None and row.split in ("val", "test"):
                self.faults.add(
                    "unlabelled samples outside training",
                    f"sample '{row.id}' of the split '{row.split}' has no mask: nothing can be measured on it",
                )
        self.faults.stop(heading)
        return self._sources()

    def _named(
        self, record: Record, templates: Mapping[str, str], places: Mapping[str, str]
    ) -> dict[str, tuple[str, ...]]:
        """Give the files of the masks that have a name each, as far as there are any."""
        found = {name: self.finder.find(record.id, [template], places) for name, template in templates.items()}
        return {name: files for name, files in found.items() if files}

    def _drawn(self, record: Record, places: Mapping[str, str]) -> list[Record]:
        if record.clean and self.clean_masks is not None:
            masks = self.finder.find(record.id, [self.clean_masks], places)
            return [record._replace(masks=masks)] if masks else []
        shared = [text for text in self.masks if not self.annotators or "annotator" not in placeholders(text)]
        own = [text for text in self.masks if text not in shared]
        rows = [
            record._replace(id=f"{record.id}@{name}", masks=masks, annotator=name)
            for name in self.annotators
            if (masks := self.finder.find(record.id, own, {**places, "annotator": name}))
        ]
        if not rows and (masks := self.finder.find(record.id, shared, places)):
            return [record._replace(masks=masks)]
        return rows

    def _sources(self) -> Splits:
        annotators = sorted({row.annotator for row in self.records if row.annotator is not None})
        groups = sorted({row.group for row in self.records if row.group is not None})
        found = {row.split for row in self.records}
        order = [name for name in SPLITS if name in found] + sorted(found.difference(SPLITS))
        rows: dict[str, list[Record]] = {name: [] for name in order}
        for row in self.records:
            rows[row.split].append(row)
        return Splits(
            {
                split: RecordSource(
                    records=records,
                    root=str(self.root),
                    values=self.values,
                    overlapping=self.data_set.overlapping,
                    channels=self.data_set.channels,
                    reference_names=list(self.references),
                    annotation_names=list(self.annotations),
                    annotators=annotators,
                    groups=groups,
                )
                for split, records in rows.items()
            }
        )
