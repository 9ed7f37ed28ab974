"""How a checkpoint reaches the disk whole, and comes back without being executed."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import CheckpointIO
from pytorch_lightning.utilities import rank_zero_warn

from segtrain.errors import CheckpointError

__all__ = ["AtomicCheckpointIO", "read_checkpoint"]


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint of a training onto the CPU; nothing in it is executed.

    Raises:
        CheckpointError: there is no such file, or it is truncated, foreign, or holds more than tensors and primitives.
    """
    path = Path(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"There is no checkpoint {path}.") from None
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path} holds more than weights and is not loaded: {reason}") from None
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} ({_size(path)} bytes) is truncated or no checkpoint: {reason}") from None
    if not isinstance(checkpoint, dict) or not {"state_dict", "pytorch-lightning_version"} <= checkpoint.keys():
        raise CheckpointError(f"{path} is no checkpoint of a training: it lacks 'state_dict'.")
    return checkpoint


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


class AtomicCheckpointIO(CheckpointIO):
    """Write a checkpoint beside its place and rename it: whatever happens, the file there is whole.

    (Lightning writes to the system's temporary folder first, which is a copy, not a rename, where that is another
    disk.) A write that fails leaves the previous file, warns, and is counted.
    """

    def __init__(self) -> None:
        self.failures = 0
        """Writes that failed in a row."""
        self.reason = ""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except (OSError, RuntimeError) as error:
            self._failed(path, part, error)
        else:
            self.failures = 0

    def _failed(self, path: Path, part: Path, error: Exception) -> None:
        # Torch's writer reports a full disk as a RuntimeError of its own, raised beside the OSError or in its place.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError) and "PytorchStreamWriter" not in str(error):
            raise error
        part.unlink(missing_ok=True)
        self.failures += 1
        self.reason = str(cause or error).splitlines()[0]
        kept = f"the previous {path.name} is kept" if path.exists() else f"there is no {path.name}"
        rank_zero_warn(f"The checkpoint {path} could not be written, {kept}: {self.reason}")

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)
