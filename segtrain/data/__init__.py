"""Data: sources, corruption, augmentation and what reaches the model."""

from segtrain.data.augment import Augment
from segtrain.data.check import check
from segtrain.data.check_report import CheckReport
from segtrain.data.corrupt import (
    BoundaryJitter,
    CorruptedSource,
    Corruption,
    CorruptionChain,
    CorruptionChoice,
    Dilate,
    DropObject,
    Erode,
    Polygon,
    Rotate,
    Shift,
    SwapClass,
)
from segtrain.data.folder import Folder
from segtrain.data.sheet import draw_sheet
from segtrain.data.source import DataSet, Item, Source
from segtrain.data.synthetic import Synthetic
from segtrain.data.table import Table

__all__ = [
    "Augment",
    "BoundaryJitter",
    "CheckReport",
    "CorruptedSource",
    "Corruption",
    "CorruptionChain",
    "CorruptionChoice",
    "DataSet",
    "Dilate",
    "DropObject",
    "Erode",
    "Folder",
    "Item",
    "Polygon",
    "Rotate",
    "Shift",
    "Source",
    "SwapClass",
    "Synthetic",
    "Table",
    "check",
    "draw_sheet",
]
