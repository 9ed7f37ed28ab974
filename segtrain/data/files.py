"""The files below a data set's root, listed once a folder instead of asked for one by one."""

import os
import posixpath
import unicodedata

__all__ = ["EXTENSIONS", "Files", "without_extension"]

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
"""The endings that a template may leave out."""


def without_extension(path: str) -> str:
    """Drop the ending of an image file; any other dot belongs to the name.

    >>> without_extension("slide.v2/a.PNG"), without_extension("slide.v2")
    ('slide.v2/a', 'slide.v2')
    """
    stem, extension = posixpath.splitext(path)
    return stem if extension.lower() in EXTENSIONS else path


class Files:
    """Finds files by their path below `root`, with or without their extension.

    Names are compared in Unicode's composed form, as one system writes an umlaut in one character and another in
    two.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._folders: dict[str, dict[str, list[str]]] = {}

    def find(self, path: str) -> list[str]:
        """Give the files that are meant: none, one, or several that differ in their extension."""
        folder, name = posixpath.split(path)
        entries = self._entries(folder)
        names = entries.get(_composed(name), [])
        exact = [found for found in names if _composed(found) == _composed(name)]
        return [posixpath.join(folder, found) for found in exact or names]

    def below(self, folder: str) -> list[str]:
        """Give all image files in a folder and in the folders below it, sorted, without hidden ones."""
        found = []
        top = posixpath.join(self.root, folder)
        seen = set()
        for parent, folders, names in os.walk(top, followlinks=True):
            seen.add(os.path.realpath(parent))
            folders[:] = [
                name
                for name in folders
                if not name.startswith(".") and os.path.realpath(posixpath.join(parent, name)) not in seen
            ]
            inside = posixpath.normpath(posixpath.join(folder, posixpath.relpath(parent, top)))
            images = [name for name in names if name != without_extension(name) and not name.startswith(".")]
            found += [posixpath.normpath(posixpath.join(inside, name)) for name in images]
        return sorted(found)

    def _entries(self, folder: str) -> dict[str, list[str]]:
        """Map each name, and each name without its extension, to the files that have it."""
        if folder not in self._folders:
            entries: dict[str, list[str]] = {}
            for name in _names(posixpath.join(self.root, folder)):
                for key in {_composed(name), _composed(without_extension(name))}:
                    entries.setdefault(key, []).append(name)
            self._folders[folder] = entries
        return self._folders[folder]


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
