"""The weights that a checkpoint delivers."""

from pathlib import Path

from torch import nn

from segtrain.errors import CheckpointError
from segtrain.training import read_checkpoint

__all__ = ["find_checkpoint", "load_weights"]


def find_checkpoint(run: str | None, ckpt_path: str | None) -> tuple[Path, Path]:
    """Give the run's folder and the checkpoint to use: the one named, else the run's best, else its last.

    Raises:
        CheckpointError: neither exists; the sentence says where was looked.
    """
    if ckpt_path:
        file = Path(ckpt_path)
        folder = Path(run) if run else file.parent.parent
        candidates = [file]
    elif run:
        folder = Path(run)
        candidates = [folder / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    else:
        raise CheckpointError("Say which run: run=outputs/train/<run>, or ckpt_path=<file>.ckpt.")
    for candidate in candidates:
        if candidate.exists():
            return folder, candidate
    raise CheckpointError(f"There is no checkpoint: looked for {' and '.join(map(str, candidates))}.")


def load_weights(model: nn.Module, path: Path) -> int:
    """Load the weights that a checkpoint delivers (student, EMA or teacher) into a model; give their epoch.

    Raises:
        CheckpointError: the file is truncated, no checkpoint of segtrain's, or of another model.
    """
    checkpoint = read_checkpoint(path)
    prefix = checkpoint.get("delivers")
    if prefix is None:
        raise CheckpointError(f"{path} is no checkpoint of segtrain: it lacks the key 'delivers'.")
    state = {
        key.removeprefix(prefix): value for key, value in checkpoint["state_dict"].items() if key.startswith(prefix)
    }
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(
            f"{path} was trained with another model than the config builds: {first} Give the run's own model options."
        ) from None
    return int(checkpoint["epoch"])
