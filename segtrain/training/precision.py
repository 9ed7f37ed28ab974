"""The number type of a training, fit for the device at hand."""

from typing import Any

import torch

__all__ = ["resolve_precision"]


def resolve_precision(precision: Any, accelerator: str) -> Any:
    """Give Lightning's `precision`: bf16-mixed becomes 16-mixed on a GPU that has no bf16 of its own.

    Args:
        precision: any that Lightning takes.
        accelerator: Lightning's.

    >>> resolve_precision("bf16-mixed", "cpu"), resolve_precision(None, "auto")
    ('bf16-mixed', None)
    """
    on_gpu = accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available()
    if precision == "bf16-mixed" and on_gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "16-mixed"
    return precision
