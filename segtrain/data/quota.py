"""How many places of each batch are kept for clean samples."""

from dataclasses import dataclass

from torch import Tensor

from segtrain.data.draw import Places
from segtrain.errors import ConfigError
from segtrain.types import Samples

__all__ = ["CleanQuota"]


@dataclass(frozen=True)
class CleanQuota:
    """Keep the same number of places for clean samples in every batch of every device.

    Args:
        clean: that number.
        batch_size: places in a batch of one device.
        devices: how many there are.
    """

    clean: int
    batch_size: int
    devices: int

    def check(self, samples: Samples) -> None:
        """Refuse a number that cannot be kept to.

        Raises:
            ConfigError: it fills the batch, or no sample is clean.
        """
        if self.clean >= self.batch_size:
            raise ConfigError(
                f"data.clean_per_batch={self.clean} must be smaller than data.batch_size={self.batch_size}: to draw "
                "clean samples alone, choose noise=clean_only."
            )
        if self.clean and not _is_clean(samples).any():
            raise ConfigError(
                f"data.clean_per_batch={self.clean} wants clean samples in every batch, and none of the "
                f"{len(samples.clean)} training samples is flagged so: name them by data.clean."
            )

    def places(self, weights: Tensor, samples: Samples, epoch: int, few: int | None = None) -> list[Places]:
        """Share a step's places between the clean samples and the others, among which `weights` decide.

        The clean ones get all places where nobody else is to be drawn.

        Args:
            weights: (N,), >= 0.
            samples: which are clean.
            epoch: for the message.
            few: draw only as many of each as this number of steps has places for, always the same ones.

        Raises:
            ConfigError: the strategy draws no clean sample in this epoch.
        """
        clean = _is_clean(samples)  # (N,)
        kinds = []
        for kind, number in (clean, self.clean), (~clean, self.batch_size - self.clean):
            per_step = number * self.devices
            drawn = kind if few is None else kind & (kind.cumsum(0) <= few * per_step)
            kinds.append(Places(weights * drawn, per_step))
        if not kinds[0].weights.any():
            raise ConfigError(
                f"data.clean_per_batch={self.clean} wants clean samples in every batch, and the noise strategy draws "
                f"none in epoch {epoch}: set it to 0, or choose another strategy."
            )
        if not kinds[1].weights.any():
            return [kinds[0]._replace(per_step=self.batch_size * self.devices)]
        return kinds


def _is_clean(samples: Samples) -> Tensor:
    return samples.clean & samples.labelled  # (N,)
