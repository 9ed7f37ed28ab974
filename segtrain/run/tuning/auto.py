"""`postprocess=auto`: what tune-postprocess has chosen for a run."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from segtrain.config import ALLOWED, target_faults
from segtrain.errors import ConfigError
from segtrain.postprocess import Pipeline
from segtrain.run.build import build_members

__all__ = ["FOLDER", "TUNED", "tuned_postprocess"]

FOLDER = "postprocess"
"""Of a run's folder: where tune-postprocess writes."""
TUNED = "postprocess.yaml"


def tuned_postprocess(run: str | None = None, allow_targets: Sequence[str] = ()) -> Pipeline:
    """Build the post-processing that was chosen for a run.

    Args:
        run: its folder.
        allow_targets: further prefixes that a `_target_` may have.

    Raises:
        ConfigError: nothing was chosen for it, or it cannot be built.
    """
    if run is None:
        raise ConfigError(
            "postprocess=auto belongs to a finished run, named by run=<folder>. A training cannot have it: train "
            "without, then choose by: python scripts/tune_postprocess.py run=<folder>"
        )
    file = Path(run) / FOLDER / TUNED
    if not file.exists():
        raise ConfigError(
            f"postprocess=auto: nothing was chosen for {run} so far. Do it by: "
            f"python scripts/tune_postprocess.py run={run}"
        )
    nodes = OmegaConf.load(file)
    assert isinstance(nodes, DictConfig)
    # A saved config names what is built: it is checked like one from the command line.
    if faults := list(target_faults(OmegaConf.to_container(nodes), [*ALLOWED, *allow_targets])):
        raise ConfigError(f"{file} cannot be built:", faults)
    return Pipeline(build_members(nodes))
