"""A training small enough for a test: a second or two on one core."""

from collections.abc import Sequence

from omegaconf import DictConfig

from segtrain.config import compose_config

SMALL = (
    "model=unet_plain",
    "model.width=4",
    "model.depth=2",
    "data=synthetic",
    "data.size=32",
    "data.num_train=12",
    "data.num_val=4",
    "data.num_test=4",
    "data.clean_fraction=0.34",
    "data.annotators=3",
    "data.batch_size=4",
    "data.num_workers=0",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=1",
    "callbacks=[last,draws]",
    "logger=[csv]",
    "print_config=none",
)


def small_config(*overrides: str) -> DictConfig:
    """Compose the small training with these overrides on top."""
    return compose_config("train", merged(overrides))


def merged(overrides: Sequence[str]) -> list[str]:
    """Put overrides on top of the small ones; a key given twice counts once, and another model has other keys."""
    another = any(override.startswith("model=") for override in overrides)
    small = [override for override in SMALL if not (another and override.startswith("model"))]
    key = {override.partition("=")[0]: override for override in (*small, *overrides)}
    return list(key.values())
