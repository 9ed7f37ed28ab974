"""What can go wrong because of what a user gave, each with a sentence that says how to mend it.

SegtrainError
    ConfigError        a config that cannot be built: all its faults at once; exit status 2
    DataError          images, masks or tables that cannot be used: all faults at once; exit status 1
    CheckpointError    a checkpoint that is truncated, foreign or of another model; exit status 1
    TrainingError      a training that cannot go on (non-finite losses, a full disk); exit status 1
"""

from collections.abc import Iterable

__all__ = ["CheckpointError", "ConfigError", "DataError", "SegtrainError", "TrainingError"]


class SegtrainError(Exception):
    """A mistake outside the code; its text is all a user needs to see, and `exit_status` ends the command."""

    exit_status = 1


class FaultsError(SegtrainError):
    """An error that lists every fault found, one a line, under one heading."""

    def __init__(self, heading: str, faults: Iterable[str] = ()) -> None:
        self.heading = heading
        self.faults = list(faults)
        super().__init__("\n".join([heading, *(f"  {fault}" for fault in self.faults)]))

    def __reduce__(self) -> tuple[type, tuple[str, list[str]]]:
        return type(self), (self.heading, self.faults)  # a DataLoader's worker pickles it


class ConfigError(FaultsError, ValueError):
    """A config that cannot be built."""

    exit_status = 2


class DataError(FaultsError, ValueError):
    """Data that cannot be used."""


class CheckpointError(SegtrainError, ValueError):
    """A checkpoint that cannot be loaded."""


class TrainingError(SegtrainError, RuntimeError):
    """A training that cannot go on."""
