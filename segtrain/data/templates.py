"""Templates of paths, such as "masks/{stem}.png", and what they name for a sample."""

import difflib
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

from segtrain.data.faults import Faults
from segtrain.data.files import EXTENSIONS, Files, without_extension

__all__ = ["Finder", "fill", "fixed_folder", "is_inside", "pattern", "placeholders", "unknown_placeholders"]

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def placeholders(template: str) -> list[str]:
    """Give the names in braces.

    >>> placeholders("crowd/{annotator}/{stem}.png")
    ['annotator', 'stem']
    """
    return _PLACEHOLDER.findall(template)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in the place of the names in braces; "" when one of them is empty."""
    if not all(values[name] for name in placeholders(template)):
        return ""
    return posixpath.normpath(_PLACEHOLDER.sub(lambda match: values[match[1]], template))


def pattern(template: str) -> re.Pattern[str]:
    """Give the paths that a template can name; {stem} may span folders, any other name in braces stays in one.

    >>> pattern("crowd/{annotator}/{stem}.png").fullmatch("crowd/a1/d1/b01.png").groupdict()
    {'annotator': 'a1', 'stem': 'd1/b01'}
    """
    seen: set[str] = set()
    text = ""
    for place, part in enumerate(_PLACEHOLDER.split(posixpath.normpath(template))):
        if place % 2 == 0:
            text += re.escape(part)
        else:
            text += f"(?P={part})" if part in seen else f"(?P<{part}>{'.+' if part == 'stem' else '[^/]+'})"
            seen.add(part)
    if without_extension(template) == template:
        text += f"(?i:{'|'.join(map(re.escape, EXTENSIONS))})"
    return re.compile(text)


def fixed_folder(template: str) -> str:
    """Give the folder that everything a template names is below.

    >>> fixed_folder("crowd/a{annotator}/{stem}.png"), fixed_folder("{stem}.png")
    ('crowd', '')
    """
    return posixpath.dirname(posixpath.normpath(template).partition("{")[0])


def is_inside(value: str) -> bool:
    """Say whether a value from a table or list may become part of a path: it must not lead out of the root."""
    parts = value.replace("\\", "/").split("/")
    return ".." not in parts and not value.startswith(("/", "\\")) and not re.match(r"[A-Za-z]:[\\/]", value)


def unknown_placeholders(template: str, known: Iterable[str]) -> list[str]:
    """Give a sentence for each name in braces that means nothing, with the one that may have been meant."""
    known = list(known)
    faults = []
    for name in placeholders(template):
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f", did you mean {{{close[0]}}}?" if close else f": there are {', '.join(known)}"
            faults.append(f"'{template}' asks for {{{name}}}{hint}")
    return faults


class Finder:
    """Finds a sample's label files, and notes what is wrong with them.

    Args:
        files: below the root.
        faults: where faults are noted.
        classes: overlapping classes, each of which has a file of its own ({class}); empty for exclusive ones.
    """

    def __init__(self, files: Files, faults: Faults, classes: Sequence[str]) -> None:
        self.files = files
        self.faults = faults
        self.classes = classes

    def find(self, sample: str, templates: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...] | None:
        """Give the files of the first template that names existing ones, one for each overlapping class.

        None when no template does. A template that names some classes but not all is a fault.
        """
        for template in templates:
            names = self._names(template, values)
            found = [self._one(sample, name) for name in names]
            missing = [name for name, file in zip(names, found, strict=True) if file is None]
            if not missing:
                return tuple(file for file in found if file)
            if len(missing) < len(names):
                self.faults.add(
                    "samples without a mask for each class",
                    f"sample '{sample}' has masks of some classes only, there is no {', '.join(missing)}",
                )
                return None
        return None

    def sought(self, templates: Sequence[str], values: Mapping[str, str]) -> str:
        """Say where `find` looked."""
        names = [name for template in templates for name in self._names(template, values) if name]
        return f"looked for {' or '.join(names)}" if names else "its cell is empty"

    def _names(self, template: str, values: Mapping[str, str]) -> list[str]:
        if self.classes:
            return [fill(template, {**values, "class": name}) for name in self.classes]
        return [fill(template, values)]

    def _one(self, sample: str, name: str) -> str | None:
        found = self.files.find(name) if name else []
        if len(found) > 1:
            self.faults.add(
                "names that several files have",
                f"sample '{sample}': {name} may be {' or '.join(map(posixpath.basename, found))}: "
                "give the extension in the template, or remove the others",
            )
        return found[0] if found else None
