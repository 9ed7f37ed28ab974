"""A data set listed in a table: a row for each sample, its files named by columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segtrain.data.faults import Faults
from segtrain.data.files import without_extension
from segtrain.data.label_files import LabelFiles, mask_values, open_root, setting_faults
from segtrain.data.lists import by_lists, names_of
from segtrain.data.records import Record
from segtrain.data.rows import read_rows
from segtrain.data.source import DataSet
from segtrain.data.splits import Splits, check_names
from segtrain.data.templates import fill, is_inside, placeholders, unknown_placeholders
from segtrain.errors import ConfigError

__all__ = ["Table"]

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


@dataclass(kw_only=True)
class Table(DataSet):
    """Samples listed in a CSV or Parquet table.

    A place is the name of a column that holds paths from the root, or a template over columns such as
    "images/{id}.png"; without an extension, any known one is found. In a place of masks {sample} stands for the
    sample's id, if no column is called so.

    Args:
        root: folder of the data set.
        table: the table's file.
        image: where the images are.
        mask: where the given labels are; of several places the first that names a file counts. Overlapping classes:
            a template with {class}.
        references: name -> where other masks of the same images are, such as clean or experts' ones.
        annotations: name -> where masks of the same images by several annotators are, to be fused; the given label
            takes part only if it is named here too.
        id: column with the samples' names; null = the image's name. Rows of several annotators may share an id.
        split: column with train, val or test, an empty cell leaving the row out; or shares of train, val and test;
            or split -> a list's file.
        split_seed: shuffles the shares' samples.
        clean: column that is true, 1 or yes where the label is known to be right.
        clean_masks: where clean samples take their label from, if not from `mask`.
        annotator: column with whoever drew the label.
        group: column with what belongs together (patient, slide, track), so that splits keep it on one side.
        unlabelled: true takes a row without a mask as an unlabelled sample of training.
        mask_values: value or "#rrggbb" in the masks -> class name, number or "ignore"; null = class numbers.
        ignore_value: the number in the masks that means "ignored".
    """

    root: str
    table: str = "index.csv"
    image: str = "image"
    mask: str | list[str] = "mask"
    references: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    id: str | None = None
    split: str | list[float] | dict[str, str] = "split"
    split_seed: int = 0
    clean: str | None = None
    clean_masks: str | None = None
    annotator: str | None = None
    group: str | None = None
    unlabelled: bool = False
    mask_values: dict[int | str, int | str] | None = None
    ignore_value: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        masks = {key: texts for key, texts in self._templates.items() if key != "image"}
        if faults := setting_faults("Table", self.overlapping, masks, self.split):
            raise ConfigError("the data cannot be set up:", faults)
        mask_values(self, self.mask_values, self.ignore_value)

    def splits(self) -> Splits:
        """Give the sources "train", "val" and "test", as far as there are any.

        Raises:
            DataError: files are missing or rows make no sense; every fault is listed.
        """
        root = open_root(self.root)
        templates = self._templates
        labels = LabelFiles(
            data_set=self,
            root=root,
            masks=templates["mask"],
            references=dict(zip(self.references, templates["references"], strict=True)),
            annotations=dict(zip(self.annotations, templates["annotations"], strict=True)),
            clean_masks=next(iter(templates["clean_masks"]), None),
            unlabelled=self.unlabelled,
            values=mask_values(self, self.mask_values, self.ignore_value),
        )
        rows = read_rows(root / self.table)
        self._check_columns(rows[0], labels.faults)
        labels.faults.stop(f"the table {root / self.table} cannot be used:")
        self._check_cells(rows, labels.faults)
        ids = [self._id(row) for row in rows]
        splits = self._split_of(root, ids, rows, labels.faults)
        kept = [(name, split, row) for name, split, row in zip(ids, splits, rows, strict=True) if split is not None]
        self._check_repeats(kept, labels.faults)
        shared = Counter(name for name, _, _ in kept)
        for name, split, row in kept:
            annotator = self._cell(row, self.annotator)
            unique = f"{name}@{annotator}" if shared[name] > 1 else name
            clean = _TRUTH.get(self._cell(row, self.clean).lower(), False)
            group = self._cell(row, self.group) or None
            image = self._image(name, row, labels)
            labels.add(
                Record(unique, image, None, {}, {}, clean, annotator or None, group, split), {"sample": unique, **row}
            )
        return labels.splits(None if isinstance(self.split, str | Mapping) else self.split, self.split_seed)

    @property
    def _templates(self) -> dict[str, list[str]]:
        """The places by their setting, a column's name as the template of its cell."""
        places = {
            "image": [self.image],
            "mask": [self.mask] if isinstance(self.mask, str) else list(self.mask),
            "references": list(self.references.values()),
            "annotations": list(self.annotations.values()),
            "clean_masks": [self.clean_masks] if self.clean_masks else [],
        }
        return {key: [text if placeholders(text) else f"{{{text}}}" for text in texts] for key, texts in places.items()}

    def _check_columns(self, columns: Mapping[str, str], faults: Faults) -> None:
        for key in ("id", "split", "clean", "annotator", "group"):
            name = getattr(self, key)
            if isinstance(name, str):
                for fault in unknown_placeholders(f"{{{name}}}", columns):
                    faults.add("missing columns", f"data.{key}: {fault}")
        for key, texts in self._templates.items():
            known = columns if key == "image" else {"sample": "", **columns, "class": ""}
            for text in texts:
                for fault in unknown_placeholders(text, known):
                    faults.add("missing columns", f"data.{key}: {fault}")

    def _check_cells(self, rows: Sequence[Mapping[str, str]], faults: Faults) -> None:
        used = {name for texts in self._templates.values() for text in texts for name in placeholders(text)}
        for number, row in enumerate(rows, start=1):
            for name in sorted(used & row.keys()):
                if not is_inside(row[name]):
                    faults.add(
                        "paths that leave the data set", f"row {number}: {name} = '{row[name]}' leaves data.root"
                    )
            if not self._id(row):
                faults.add("rows without a name", f"row {number} has no {self.id or 'image'}")
            if self._cell(row, self.clean).lower() not in _TRUTH:
                allowed = ", ".join(filter(None, _TRUTH))
                faults.add(
                    "cells that are neither true nor false",
                    f"row {number}: {self.clean} = '{self._cell(row, self.clean)}' is none of {allowed} and empty",
                )

    def _check_repeats(self, kept: Sequence[tuple[str, str, Mapping[str, str]]], faults: Faults) -> None:
        """Rows that share an id are masks of one image by several annotators, in one split."""
        first: dict[str, str] = {}
        seen = set()
        for name, split, row in kept:
            key = (name, self._cell(row, self.annotator))
            if key in seen:
                faults.add("repeated ids", f"several rows have the id '{name}': give each its own, or data.annotator")
            seen.add(key)
            if first.setdefault(name, split) != split:
                faults.add("ids in several splits", f"the id '{name}' is in {first[name]} and in {split}")

    def _split_of(
        self, root: Path, ids: Sequence[str], rows: Sequence[Mapping[str, str]], faults: Faults
    ) -> list[str | None]:
        """Give each row's split, None where it is in none; "" where shares are dealt later."""
        if isinstance(self.split, str):
            named = [row[self.split] or None for row in rows]
            check_names(filter(None, named), self.table, faults)
            return named
        if not isinstance(self.split, Mapping):
            return [""] * len(rows)
        images = [fill(self._templates["image"][0], row) for row in rows]
        listed = by_lists(root, self.split, names_of(ids, ids, images), faults)
        return [listed.get(name) for name in ids]

    def _id(self, row: Mapping[str, str]) -> str:
        if self.id is not None:
            return row[self.id].replace("/", "__")
        return without_extension(fill(self._templates["image"][0], row).rpartition("/")[2])

    def _cell(self, row: Mapping[str, str], column: str | None) -> str:
        return row[column] if column is not None else ""

    def _image(self, sample: str, row: Mapping[str, str], labels: LabelFiles) -> str:
        template = self._templates["image"][0]
        found = labels.files.find(fill(template, row)) if fill(template, row) else []
        if len(found) == 1:
            return found[0]
        sought = fill(template, row) or "an empty cell"
        what = f"there are {' and '.join(found)}" if found else f"there is no image {sought}"
        labels.faults.add("missing images", f"sample '{sample}': {what}: see data.image")
        return sought
