"""What a layer of a model makes of an image: features to compare regions by."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.modes import evaluating

__all__ = ["features_of"]

MULTIPLE = 32
LONGEST = 1024
"""Pixels; a larger image is made smaller, as features are for comparing regions and not for their outlines."""


def features_of(model: nn.Module, image: Tensor, layer: str) -> np.ndarray:
    """Give a layer's activations for one image.

    Args:
        model: with modules `encoder` and `segmentation_head`, as all of ours have.
        image: (1, D, H, W), normalised, on the model's device.
        layer: "decoder", what the segmentation head is given; "encoder", the deepest map; or any module's name.

    Returns:
        (F, h, w) float32, over the image's whole extent, at the layer's own scale.

    Raises:
        ConfigError: there is no such layer, or it gives no map.
    """
    seen: list[Any] = []
    handle = _listening(model, layer, seen)
    height, width = image.shape[-2:]
    scale = min(1.0, LONGEST / max(height, width))
    if scale < 1:
        image = F.interpolate(image, scale_factor=scale, mode="area")
    inside = image.shape[-2:]
    padded = [math.ceil(side / MULTIPLE) * MULTIPLE for side in inside]
    image = F.pad(image, (0, padded[1] - inside[1], 0, padded[0] - inside[0]), mode="replicate")
    try:
        with evaluating(model), torch.no_grad():
            model(image)
    finally:
        handle.remove()
    maps = seen[0][-1] if isinstance(seen[0], list | tuple) else seen[0]
    if not isinstance(maps, Tensor) or maps.dim() != 4:
        raise ConfigError(f"The layer '{layer}' gives no map (1, F, h, w) to take features from.")
    rows, columns = (max(1, round(maps.shape[2 + axis] * inside[axis] / padded[axis])) for axis in (0, 1))
    return maps[0, :, :rows, :columns].float().cpu().numpy()


def _listening(model: nn.Module, layer: str, seen: list[Any]) -> Any:
    modules = dict(model.named_modules())
    name = {"decoder": "segmentation_head", "encoder": "encoder"}.get(layer, layer)
    found = [path for path in modules if path == name or path == f"model.{name}"]  # overlapping classes wrap a model
    if not found:
        near = ", ".join(path for path in modules if path and path.count(".") == 0)
        raise ConfigError(f"The model has no layer '{layer}'; it has {near}, and what lies in them.")
    if layer == "decoder":
        return modules[found[0]].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    return modules[found[0]].register_forward_hook(lambda _, __, output: seen.append(output))
