"""A data set laid out in folders: the images here, their masks there, under the same names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from segtrain.data.faults import Faults
from segtrain.data.files import Files
from segtrain.data.label_files import LabelFiles, mask_values, open_root, setting_faults
from segtrain.data.layout import FoundImage, find_annotators, find_images, with_stem
from segtrain.data.lists import by_lists, clean_samples, groups_of, names_of
from segtrain.data.records import Record
from segtrain.data.source import DataSet
from segtrain.data.splits import Splits, check_names
from segtrain.data.templates import fixed_folder, placeholders, unknown_placeholders
from segtrain.errors import ConfigError

__all__ = ["Folder"]

_SHARES = (0.7, 0.15, 0.15)


@dataclass(kw_only=True)
class Folder(DataSet):
    """Images and masks in folders below a root.

    A place is a template of paths from the root: {stem} stands for the image's name without its extension (and the
    sub-folders it lies in), {split} for the split, {class} for each overlapping class, {annotator} for whoever
    finds a mask there; of masks, {sample} for the stem with "__" in the place of "/". A template without {stem} is a
    folder, "masks" = "masks/{stem}"; without an extension, any known one is found.

    Args:
        root: folder of the data set.
        images: where the images are.
        masks: where the given labels are; of several templates the first that names a file counts. With
            {annotator}, every mask of an image is a sample of its own.
        references: name -> where other masks of the same images are, such as clean or experts' ones.
        annotations: name -> where masks of the same images by several annotators are, to be fused; the given label
            takes part only if it is named here too.
        clean: which samples' labels are known to be right: a list's file, or a pattern such as "clean_*".
        clean_masks: where clean samples take their label from, if not from `masks`.
        group: which samples belong together (patient, slide, track), so that splits keep them on one side: a
            regular expression whose one group it is in the sample's id, or a table's file with columns id and group.
        split: shares of train, val and test, which null takes as 0.7, 0.15 and 0.15; or split -> a list's file. With
            {split} in `images`: split -> its folder's name; null where the folders are called train, val and test.
        split_seed: shuffles the shares' samples.
        unlabelled: true takes an image without a mask as an unlabelled sample of training.
        mask_values: value or "#rrggbb" in the masks -> class name, number or "ignore"; null = class numbers.
        ignore_value: the number in the masks that means "ignored".
    """

    root: str
    images: str = "images"
    masks: str | list[str] = "masks"
    references: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    clean: str | None = None
    clean_masks: str | None = None
    group: str | None = None
    split: list[float] | dict[str, str] | None = None
    split_seed: int = 0
    unlabelled: bool = False
    mask_values: dict[int | str, int | str] | None = None
    ignore_value: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        faults = setting_faults("Folder", self.overlapping, self._templates, self.split)
        faults += unknown_placeholders(self.images, ["stem", "split"])
        for key, templates in self._templates.items():
            known = ["stem", "sample", "split", "class", *(["annotator"] if key == "masks" else [])]
            faults += [fault for template in templates for fault in unknown_placeholders(template, known)]
        faults += self._split_faults()
        if self.group and "(" in self.group and _captures(self.group) != 1:
            faults.append(f"The 'group' of Folder must be an expression with one group in brackets, got '{self.group}'")
        if faults:
            raise ConfigError("the data cannot be set up:", faults)
        mask_values(self, self.mask_values, self.ignore_value)

    def splits(self) -> Splits:
        """Give the sources "train", "val" and "test", as far as there are any.

        Raises:
            DataError: files are missing or make no sense; every fault is listed.
        """
        root = open_root(self.root)
        templates = {key: [with_stem(text) for text in texts] for key, texts in self._templates.items()}
        labels = LabelFiles(
            data_set=self,
            root=root,
            masks=templates["masks"],
            references=dict(zip(self.references, templates["references"], strict=True)),
            annotations=dict(zip(self.annotations, templates["annotations"], strict=True)),
            clean_masks=next(iter(templates["clean_masks"]), None),
            unlabelled=self.unlabelled,
            values=mask_values(self, self.mask_values, self.ignore_value),
            annotators=find_annotators(Files(str(root)), templates["masks"]),
        )
        found = find_images(
            labels.files, with_stem(self.images), [*chain.from_iterable(templates.values())], labels.faults
        )
        images = self._in_splits(root, found, labels.faults)
        ids = [image.id for image in images]
        clean = clean_samples(root, self.clean, _names(images), labels.faults) if self.clean else set()
        groups = groups_of(root, self.group, ids, labels.faults) if self.group else {}
        for name, stem, path, folder, split in images:
            row = Record(name, path, None, {}, {}, name in clean, None, groups.get(name), split)
            labels.add(row, {"stem": stem, "sample": name, "split": folder})
        return labels.splits(self._shares, self.split_seed)

    @property
    def folders(self) -> list[Path]:
        templates = [self.images, *chain.from_iterable(self._templates.values())]
        return [Path(self.root).expanduser() / fixed_folder(with_stem(text)) for text in templates]

    @property
    def _templates(self) -> dict[str, list[str]]:
        return {
            "masks": [self.masks] if isinstance(self.masks, str) else list(self.masks),
            "references": list(self.references.values()),
            "annotations": list(self.annotations.values()),
            "clean_masks": [self.clean_masks] if self.clean_masks else [],
        }

    @property
    def _in_folders(self) -> bool:
        return "split" in placeholders(self.images)

    @property
    def _shares(self) -> Sequence[float] | None:
        """The shares of the splits, where neither folders nor lists tell them."""
        if isinstance(self.split, Mapping) or self._in_folders:
            return None
        return self.split or _SHARES

    def _split_faults(self) -> list[str]:
        if self._in_folders and isinstance(self.split, Sequence):
            return ["The 'split' of Folder must be null, or name folders, where 'images' has {split}"]
        texts = [text for texts in self._templates.values() for text in texts if "split" in placeholders(text)]
        late = texts if self._shares else []
        return [
            f"'{text}' asks for {{split}}, which shares tell only afterwards: give lists in 'split'" for text in late
        ]

    def _in_splits(self, root: Path, images: list[FoundImage], faults: Faults) -> list[FoundImage]:
        """Give the images that are in a split, with its name; shares are dealt later."""
        if not isinstance(self.split, Mapping):
            if self._in_folders:
                check_names((image.split for image in images), "data.images", faults)
            return images
        if self._in_folders:
            chosen = {folder: split for split, folder in self.split.items()}
            return [image._replace(split=chosen[image.folder]) for image in images if image.folder in chosen]
        listed = by_lists(root, self.split, _names(images), faults)
        return [
            image._replace(split=listed[image.id], folder=listed[image.id]) for image in images if image.id in listed
        ]


def _names(images: list[FoundImage]) -> dict[str, str]:
    return names_of(*([getattr(image, key) for image in images] for key in ("id", "stem", "path")))


def _captures(expression: str) -> int:
    try:
        return re.compile(expression).groups
    except re.error:
        return 0
