"""The weights that a checkpoint delivers."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from segtrain.errors import CheckpointError, ConfigError
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


def load_weights(
    model: nn.Module, path: Path, prefixes: Sequence[str] | None = None, classes: Sequence[str] | None = None
) -> int:
    """Load the weights that a checkpoint delivers (student, EMA or teacher) into a model; give their epoch.

    Args:
        model: of the run's kind.
        path: of the checkpoint.
        prefixes: take the first of these instead that it has, such as "ema."; None = what it delivers.
        classes: names that the model's outputs are to have; None = any.

    Raises:
        CheckpointError: the file is truncated, no checkpoint of segtrain's, of another model, or without such weights.
        ConfigError: it was trained for other classes.
    """
    checkpoint = read_checkpoint(path)
    prefix = checkpoint.get("delivers")
    if prefix is None:
        raise CheckpointError(f"{path} is no checkpoint of segtrain: it lacks the key 'delivers'.")
    trained = checkpoint.get("classes", classes)
    if classes is not None and trained is not None and list(trained) != list(classes):
        raise ConfigError(
            f"{path} was trained for the classes {', '.join(trained)}, and data.classes says {', '.join(classes)}: "
            "give the run's own list."
        )
    if prefixes is not None:
        held = [each for each in prefixes if any(key.startswith(each) for key in checkpoint["state_dict"])]
        if not held:
            raise CheckpointError(
                f"{path} has no averaged weights: train with callbacks=[best,last,ema], or a noise strategy that has a "
                "teacher."
            )
        prefix = held[0]
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
