"""Train on the trusted masks alone: the honest control that every noise strategy has to beat."""

from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise.base import NoiseStrategy
from segtrain.types import Samples

__all__ = ["CleanOnly"]


class CleanOnly(NoiseStrategy):
    """Draw only samples flagged clean; the number of steps stays that of the whole set.

    Costs: nothing.
    """

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not samples.clean.any():
            raise ConfigError(
                "noise=clean_only draws only samples known to be clean, and none of the "
                f"{len(samples.clean)} training samples is flagged so: name them by data.clean."
            )

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        return samples.clean.float()
