"""Simulated mistakes of annotators: from a right mask to the noisy one that a person might have drawn."""

from segtrain.data.corrupt.base import Corruption, require_kinds
from segtrain.data.corrupt.chain import CorruptionChain, CorruptionChoice
from segtrain.data.corrupt.outline import BoundaryJitter, Dilate, Erode, Polygon
from segtrain.data.corrupt.placement import Rotate, Shift
from segtrain.data.corrupt.presence import DropObject, SwapClass
from segtrain.data.corrupt.source import CorruptedSource

__all__ = [
    "BoundaryJitter", "CorruptedSource", "Corruption", "CorruptionChain", "CorruptionChoice", "Dilate", "DropObject",
    "Erode", "Polygon", "Rotate", "Shift", "SwapClass", "require_kinds",
]  # fmt: skip
