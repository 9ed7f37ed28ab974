"""Data: sources, corruption, augmentation and what reaches the model."""

from segtrain.data.augment import Augment
from segtrain.data.check import check
from segtrain.data.check_report import CheckReport
from segtrain.data.corrupt import (
    Affine,
    Annotator,
    BoundaryJitter,
    ClassFlip,
    CorruptedSource,
    Corruption,
    CorruptionChain,
    CorruptionChoice,
    Dilate,
    DropObject,
    EdgeDistort,
    Erode,
    ErodeDilate,
    ExtraObject,
    Markov,
    Polygon,
    Rotate,
    Shift,
    Superpixel,
    SwapClass,
)
from segtrain.data.folder import Folder
from segtrain.data.proposals import RegionProposals
from segtrain.data.sheet import draw_sheet
from segtrain.data.source import DataSet, Item, Source
from segtrain.data.synthetic import Synthetic
from segtrain.data.table import Table

__all__ = [
    "Affine",
    "Annotator",
    "Augment",
    "BoundaryJitter",
    "CheckReport",
    "ClassFlip",
    "CorruptedSource",
    "Corruption",
    "CorruptionChain",
    "CorruptionChoice",
    "DataSet",
    "Dilate",
    "DropObject",
    "EdgeDistort",
    "Erode",
    "ErodeDilate",
    "ExtraObject",
    "Folder",
    "Item",
    "Markov",
    "Polygon",
    "RegionProposals",
    "Rotate",
    "Shift",
    "Source",
    "Superpixel",
    "SwapClass",
    "Synthetic",
    "Table",
    "check",
    "draw_sheet",
]
