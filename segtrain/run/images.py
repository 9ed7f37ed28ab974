"""The images that a command is given, and the files that it writes for each."""

from pathlib import Path

from segtrain.errors import ConfigError, DataError

__all__ = ["find_images", "place"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


def find_images(source: Path) -> list[tuple[str, Path]]:
    """Give each image's name below the input, without its suffix, and its file.

    Raises:
        ConfigError: `source` is neither a file nor a folder.
        DataError: there is no image in it.
    """
    if source.is_file():
        return [(source.stem, source)]
    if not source.is_dir():
        raise ConfigError(f"input={source} is neither an image nor a folder of images.")
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"There is no image in {source}: {', '.join(sorted(SUFFIXES))} are read.")
    stems = [str(path.relative_to(source).with_suffix("")) for path in files]
    # Two images that differ in their suffix alone keep it, or one mask would overwrite the other.
    return [(s if stems.count(s) == 1 else s + path.suffix, path) for s, path in zip(stems, files, strict=True)]


def place(folder: Path, name: str, suffix: str) -> Path:
    """Give the file of an image's result, in a folder that is there."""
    path = folder / (name + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
