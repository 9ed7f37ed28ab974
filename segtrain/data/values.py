"""What the numbers and colours in mask files mean."""

import re
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from segtrain.data.read import read_mask
from segtrain.errors import ConfigError, DataError
from segtrain.types import IGNORE

__all__ = ["MaskValues"]

_IGNORED = "ignore"
_WHITE = (255, 65535)
_MANY = 12


class MaskValues:
    """Turns the values in mask files into class numbers; a value without a meaning is a fault.

    Without a map the values are the class numbers themselves; with two classes, a mask of only 0 and 255 (in 16
    bits 65535) means 0 and 1, unless 255 is the ignored value.

    Args:
        classes: names, in the order of the class numbers.
        values: file's value -> class name, class number or "ignore". A value is a number or a colour: "#rrggbb" or
            "r,g,b".
        ignore_value: the number in the files that means "ignored"; None = there is none.

    Raises:
        ConfigError: a value or a class cannot be understood; every fault is listed.
    """

    def __init__(
        self,
        classes: Sequence[str],
        values: Mapping[int | str, int | str] | None = None,
        ignore_value: int | None = None,
    ) -> None:
        self.classes = list(classes)
        self.values = dict(values) if values else None
        self.ignore_value = ignore_value
        self.in_colour, self._meanings = _parse(self.values or {n: n for n in range(len(classes))}, self.classes)
        if self.in_colour and ignore_value is not None:
            raise ConfigError(f"data.ignore_value is a number: map the ignored colour to '{_IGNORED}' instead")
        if ignore_value is not None:
            self._meanings[ignore_value] = IGNORE

    def read(self, path: str) -> np.ndarray:
        """Read a mask file as (H, W) uint8 class numbers, `IGNORE` where ignored.

        Raises:
            DataError: it cannot be read, or holds values that mean nothing.
        """
        raw = read_mask(path, self.in_colour)
        in_colour = self.in_colour
        if raw.ndim == 3 and not in_colour:
            in_colour = bool((raw != raw[..., :1]).any())
            raw = raw if in_colour else np.ascontiguousarray(raw[..., 0])  # numbers, stored three times
        raw = _pack(raw, path) if in_colour else _whole(raw, path)
        present = _present(raw)
        meanings = {} if in_colour != self.in_colour else self._meanings_of(present)
        if any(value not in meanings for value in present):
            raise DataError(self._unknown(raw, [value for value in present if value not in meanings], in_colour, path))
        return _translate(raw, present, [meanings[value] for value in present])

    def coded(self, label: np.ndarray, white: bool = False) -> np.ndarray:
        """Give class numbers (...) uint8 as the values of a file, which `read` takes for the same class numbers.

        Args:
            label: class numbers, `IGNORE` where ignored.
            white: of two classes give the second as 255, if that is free and there is no map.

        Returns:
            (...) uint8 or uint16 numbers, or (..., 3) uint8 RGB colours.

        Raises:
            DataError: a class in the label has no value, or one that a PNG cannot hold.
        """
        values = {number: value for value, number in reversed(self._meanings.items())}
        if self.values is None and len(self.classes) == 2 and self.ignore_value != _WHITE[0]:
            values[1] = _WHITE[0] if white else values.get(1, _WHITE[0])
        present, limit = np.unique(label).tolist(), 1 << (24 if self.in_colour else 16)
        lacking = [number for number in present if not 0 <= values.get(number, -1) < limit]
        if lacking:
            names = ["ignored" if number == IGNORE else self.classes[number] for number in lacking]
            raise DataError(f"no value that a PNG can hold means {', '.join(names)}: give it one in data.mask_values")
        table = np.zeros(256, np.int64)
        table[present] = [values[number] for number in present]
        coded = table[label]
        if self.in_colour:
            return np.stack([coded >> 16, coded >> 8 & 255, coded & 255], axis=-1).astype(np.uint8)
        return coded.astype(np.uint8 if coded.max(initial=0) < 256 else np.uint16)

    def _meanings_of(self, present: list[int]) -> dict[int, int]:
        """Give the map, or that of a mask in black and white."""
        shown = set(present) - {self.ignore_value}
        if self.values is None and len(self.classes) == 2:
            for white in _WHITE:
                if shown <= {0, white}:
                    return {0: 0, white: 1} | ({} if self.ignore_value is None else {self.ignore_value: IGNORE})
        return self._meanings

    def _unknown(self, raw: np.ndarray, values: list[int], in_colour: bool, path: str) -> str:
        names = [*self.classes, *[""] * (IGNORE - len(self.classes)), "ignored"]
        allowed = [f"{_name(value, self.in_colour)} = {names[number]}" for value, number in self._meanings.items()]
        found = [_name(value, in_colour) for value in values]
        cause = "; was it saved with loss (JPEG) or smoothed by resizing?" if len(found) > _MANY else ""
        return (
            f"{path}: {_listed(found)} ({np.isin(raw, values).sum():,} pixels) mean nothing, allowed are "
            f"{_listed(allowed)}{cause}. Give each a meaning, such as data.mask_values: {{{found[-1]}: "
            f"{self.classes[-1]}}} or '{_IGNORED}'"
        )


def _parse(values: Mapping[int | str, int | str], classes: list[str]) -> tuple[bool, dict[int, int]]:
    """Give whether the values are colours, and the class number of each."""
    meanings, faults, kinds = {}, [], set()
    for value, name in values.items():
        number, meaning = _number(value), _meaning(name, classes)
        if number is None:
            faults.append(f"{value!r} is no value of a mask: give a number, '#rrggbb' or 'r,g,b'")
        elif meaning is None:
            faults.append(f"{value!r}: {name!r} is none of {classes}, no number of theirs from 0, and not '{_IGNORED}'")
        else:
            kinds.add(number[0])
            meanings[number[1]] = meaning
    if len(kinds) > 1:
        faults.append("numbers and colours are mixed: the files hold the one or the other")
    if faults:
        raise ConfigError("data.mask_values cannot be understood:", faults)
    return kinds == {True}, meanings


def _number(value: int | str) -> tuple[bool, int] | None:
    """Give whether a value is a colour, and its number: red * 65536 + green * 256 + blue for a colour."""
    text = str(int(value) if isinstance(value, int) else value)
    if re.fullmatch(r"-?\d+", text):
        return False, int(text)
    if match := re.fullmatch(r"#([0-9a-fA-F]{6})", text):
        return True, int(match[1], 16)
    match = re.fullmatch(r"[\[(]?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*[\])]?", text)
    parts = [int(part) for part in match.groups()] if match else [256]
    return (True, (parts[0] << 16) + (parts[1] << 8) + parts[2]) if max(parts) < 256 else None


def _meaning(name: int | str, classes: list[str]) -> int | None:
    if name in classes:
        return classes.index(str(name))
    if name == _IGNORED:
        return IGNORE
    return name if isinstance(name, int) and 0 <= name < len(classes) else None


def _pack(raw: np.ndarray, path: str) -> np.ndarray:
    """Give each colour (H, W, 3), or grey (H, W), one number (H, W)."""
    if raw.dtype != np.uint8:
        raise DataError(f"{path}: a mask in colour has 8 bits a channel, got {raw.dtype}")
    red, green, blue = np.moveaxis(raw, -1, 0).astype(np.int32) if raw.ndim == 3 else [raw.astype(np.int32)] * 3
    return (red << 16) + (green << 8) + blue  # (H, W)


def _whole(raw: np.ndarray, path: str) -> np.ndarray:
    if raw.dtype.kind != "f":
        return raw
    with np.errstate(invalid="ignore"):  # what does not fit is named below
        whole = raw.astype(np.int64)
    if (whole != raw).any():
        raise DataError(f"{path}: a mask holds whole numbers, one for each class, got fractions or NaN")
    return whole


def _present(raw: np.ndarray) -> list[int]:
    """Give the values in a mask, sorted."""
    if raw.dtype == np.uint8:
        return np.flatnonzero(cv2.calcHist([raw], [0], None, [256], [0, 256])).tolist()
    return np.unique(raw).tolist()


def _translate(raw: np.ndarray, present: list[int], labels: list[int]) -> np.ndarray:
    if raw.dtype == np.uint8:
        table = np.zeros(256, np.uint8)
        table[present] = labels
        return cv2.LUT(raw, table)
    return np.array(labels, np.uint8)[np.searchsorted(present, raw)]


def _name(value: int, in_colour: bool) -> str:
    return f"'#{value:06x}'" if in_colour else str(value)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
