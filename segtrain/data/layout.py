"""What a layout of folders holds: the images it names, and the annotators."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from segtrain.data.faults import Faults
from segtrain.data.files import Files
from segtrain.data.templates import fixed_folder, pattern, placeholders

__all__ = ["FoundImage", "find_annotators", "find_images", "with_stem"]


class FoundImage(NamedTuple):
    """An image file, and what its path says."""

    id: str
    stem: str
    path: str
    folder: str
    """What {split} stands for in the paths; "" where they have none."""
    split: str


def with_stem(template: str) -> str:
    """Complete a template that names a folder: "masks" is "masks/{stem}"."""
    return template if {"stem", "sample"} & {*placeholders(template)} else f"{template}/{{stem}}"


def find_images(files: Files, template: str, labels: Sequence[str], faults: Faults) -> list[FoundImage]:
    """Find the images that a template names, sorted by path.

    Args:
        files: below the root.
        template: with {stem}, maybe with {split}.
        labels: templates of masks; where they share the images' folder, a mask of an image is no image.
        faults: where equal ids are noted.
    """
    found = [_image(path, stem, split) for path, stem, split in _matches(files, template)]
    if not found:
        faults.add("missing images", f"there is no image at {template}: see data.images")
    masks = _masks(labels, template, found)
    images = [image for image in found if image.path not in masks]
    seen: dict[tuple[str, str], FoundImage] = {}
    for image in images:
        other = seen.setdefault((image.split, image.id), image)
        if other is not image:
            faults.add("images of the same name", f"{other.path} and {image.path} are both '{image.id}': rename one")
    return images


def find_annotators(files: Files, templates: Sequence[str]) -> list[str]:
    """Give everyone who may stand for {annotator}, sorted."""
    own = [template for template in templates if "annotator" in placeholders(template)]
    found = set()
    for template in own:
        expression = pattern(template)
        matches = (expression.fullmatch(path) for path in files.below(fixed_folder(template)))
        found |= {match["annotator"] for match in matches if match}
    return sorted(found)


def _matches(files: Files, template: str) -> Iterator[tuple[str, str, str]]:
    expression = pattern(template)
    for path in files.below(fixed_folder(template)):
        if match := expression.fullmatch(path):
            yield path, match["stem"], match.groupdict().get("split", "")


def _image(path: str, stem: str, split: str) -> FoundImage:
    return FoundImage(stem.replace("/", "__"), stem, path, split, split)


def _masks(labels: Sequence[str], template: str, found: Sequence[FoundImage]) -> set[str]:
    """Give the found images that are a mask of another found one."""
    folder = fixed_folder(template)
    near = [text for text in labels if fixed_folder(text).startswith(folder) or folder.startswith(fixed_folder(text))]
    names = {"stem": {image.stem for image in found}, "sample": {image.id for image in found}}
    masks = set()
    for expression in map(pattern, near):
        key = "stem" if "stem" in expression.groupindex else "sample"
        for image in found:
            own = image.stem if key == "stem" else image.id
            match = expression.fullmatch(image.path)
            if match and match[key] in names[key] and match[key] != own:
                masks.add(image.path)
    return masks
