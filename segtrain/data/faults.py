"""The faults of a data set, gathered before one error lists them all."""

from segtrain.errors import DataError

__all__ = ["Faults"]

_SHOWN = 8


class Faults:
    """Gathers faults by kind, so that three hundred missing masks do not bury one leaking patient."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def add(self, kind: str, fault: str) -> None:
        """Note a fault; `kind` names several of its like ("images without a mask"), `fault` is a whole sentence."""
        self._by_kind.setdefault(kind, []).append(fault)

    def lines(self) -> list[str]:
        """Give the first few faults of each kind, and how many more there are.

        >>> faults = Faults()
        >>> for number in range(20): faults.add("images without a mask", f"{number}.png has no mask")
        >>> faults.lines()[-2:]
        ['7.png has no mask', '... and 12 more images without a mask']
        """
        lines = []
        for kind, faults in self._by_kind.items():
            lines += faults[:_SHOWN]
            if len(faults) > _SHOWN:
                lines.append(f"... and {len(faults) - _SHOWN} more {kind}")
        return lines

    def stop(self, heading: str) -> None:
        """Raise a DataError that lists the faults, if there are any."""
        if self:
            raise DataError(heading, self.lines())
