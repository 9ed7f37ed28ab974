"""Labels and findings to export: holes, objects at every edge, ignored pixels, and an object of a single pixel."""

import numpy as np

from segtrain.audit.issue import Issue
from segtrain.data.export import Finding, Picture

CLASSES = {"exclusive": ["background", "round", "spindle"], "overlapping": ["lung", "heart"]}
FILES = ("images/a b#é.png", "images/deep/c.jpg", "images/empty.png")


def pictures(kind: str) -> list[Picture]:
    """Give three labelled images of 23 x 31 pixels, the last without objects and findings."""
    rng = np.random.default_rng(0)
    planes = np.zeros((2, 23, 31), np.uint8)
    planes[0, :9, :7] = 1  # at two edges
    planes[0, 3:5, 2:4] = 0  # a hole
    planes[0, 12] = 1  # from edge to edge
    planes[0, 22, 30] = 1
    planes[1, 5:20, 24:] = 1
    planes[1, 15:23, 3:9] = rng.random((8, 6)) < 0.5
    labels = [planes, planes[:, ::-1, ::-1], np.zeros_like(planes)]
    if kind == "exclusive":
        labels = [np.where(one[1] > 0, 2, one[0]).astype(np.uint8) for one in labels]
        labels[0][10, 3:8] = 255
    return [
        Picture(file, label, findings if place < 2 else [])
        for place, (file, label) in enumerate(zip(FILES, labels, strict=True))
        for findings in [_findings(file, kind)]
    ]


def _findings(file: str, kind: str) -> list[Finding]:
    number = 1 if kind == "exclusive" else 0
    ring = np.zeros((11, 9), bool)
    ring[9:, :] = ring[:, 7:] = True  # beside the object at the corner
    issues = [
        Issue("wide", number, 0, 0, 0, 0, ring, 0.9, {"self_confidence": 0.9}),
        Issue("missing", number, 0, 1, 1, 1, np.ones((2, 2), bool), 0.4),
        Issue("extra", number, 1, 0, 12, 10, np.ones((1, 3), bool), 0.95),
        Issue("unusable", 1, 0, 1, 18, 14, np.ones((3, 3), bool), 0.3),  # touches nothing
    ]
    verdicts = ("person", "model", "rejected", "open")
    return [Finding(f"{file}#{n}", *pair) for n, pair in enumerate(zip(issues, verdicts, strict=True))]  # type: ignore[arg-type]


def plane_of(label: np.ndarray, number: int) -> np.ndarray:
    """Give the pixels of a class, (H, W) bool."""
    return (label == number) if label.ndim == 2 else label[number] == 1


def drawn_classes(kind: str) -> list[int]:
    """Give the numbers of the classes that are exported."""
    return [number for number, name in enumerate(CLASSES[kind]) if name != "background"]
