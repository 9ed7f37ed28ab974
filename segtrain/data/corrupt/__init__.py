"""Simulated mistakes of annotators: from a right mask to the noisy one that a person might have drawn."""

from segtrain.data.corrupt.annotator import Annotator
from segtrain.data.corrupt.base import Corruption, require_kinds
from segtrain.data.corrupt.chain import CorruptionChain, CorruptionChoice
from segtrain.data.corrupt.class_flip import ClassFlip, SwapClass
from segtrain.data.corrupt.outline import BoundaryJitter, Dilate, Erode, ErodeDilate, Polygon
from segtrain.data.corrupt.placement import Affine, Rotate, Shift
from segtrain.data.corrupt.presence import DropObject, ExtraObject
from segtrain.data.corrupt.rough import EdgeDistort, Markov
from segtrain.data.corrupt.source import CorruptedSource
from segtrain.data.corrupt.superpixel import Superpixel

__all__ = [
    "Affine", "Annotator", "BoundaryJitter", "ClassFlip", "CorruptedSource", "Corruption", "CorruptionChain",
    "CorruptionChoice", "Dilate", "DropObject", "EdgeDistort", "Erode", "ErodeDilate", "ExtraObject", "Markov",
    "Polygon", "Rotate", "Shift", "Superpixel", "SwapClass", "require_kinds",
]  # fmt: skip
