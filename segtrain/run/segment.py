"""segment: images in, regions out, by a classic segmenter; scored where people's segmentations are at hand."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from segtrain.data.read import read_image, read_mask
from segtrain.errors import ConfigError, DataError
from segtrain.metrics import BoundaryMatches, boundary_matches, region_boundary, region_scores
from segtrain.picture import class_colours, rgb, visible
from segtrain.run.build import make
from segtrain.run.images import find_images, place
from segtrain.run.status import write_atomically
from segtrain.types import Segmenter

__all__ = ["read_truths", "segment"]

MOST_REGIONS = 2**16
"""What a PNG of 16 bits tells apart."""


def segment(cfg: DictConfig) -> Path:
    """Segment every image under `input` and give the folder of the results.

    It holds `labels/<name>.png` (numbers of regions, 16 bits), and if asked for `overlays/<name>.jpg`. Where `truth`
    has segmentations of some of the images, `images.csv` has the scores of each and `metrics.json` those of all. One
    image is in memory at a time.

    Raises:
        DataError: images that cannot be read or scored, all of them, after the others were segmented.
    """
    segmenter: Segmenter = make(cfg.segmenter)
    files = find_images(Path(cfg.input))
    output, truth = Path(cfg.output), Path(cfg.truth) if cfg.truth else None
    if truth is not None and not truth.is_dir():
        raise ConfigError(f"truth={truth} is not a folder.")
    console = Console(stderr=True)
    rows, faults = [], []
    for name, file in track(files, description="segment", console=console, disable=not console.is_terminal):
        try:
            image, _ = read_image(str(file), None)
            label = segmenter(image)
            _write(output, name, image, label, cfg.overlay)
            truths = read_truths(truth, name, label.shape) if truth else []
        except DataError as error:
            faults.append(str(error))
            continue
        if truths:
            rows.append(_scored(name, label, truths))
    if truth and not rows:
        faults.append(f"{truth} has no segmentation of any image: <name>.npz or <name>.png is looked for")
    if rows:
        _report(output, rows)
    if faults:
        raise DataError(f"{len(files)} images, of which not all could be segmented and scored:", faults)
    Console().print(f"{len(files)} label maps in {output}", highlight=False, soft_wrap=True)
    return output


def read_truths(folder: Path, name: str, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Read the segmentations of an image: a label map, or `segs` (annotators, H, W) of an npz; none if there are none.

    Raises:
        DataError: it cannot be read, or is of another size than the image.
    """
    file = folder / f"{name}.npz"
    if file.exists():
        try:
            with np.load(file) as content:
                truths = list(content["segs"].astype(np.int64))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DataError(f"{file} has no array `segs` that can be read ({error})") from error
    else:
        found = [path for ending in (".png", ".tif", ".tiff") if (path := folder / (name + ending)).exists()]
        truths = [read_mask(str(path)).astype(np.int64) for path in found[:1]]
    if wrong := [truth.shape for truth in truths if truth.shape != shape]:
        raise DataError(f"The image {name} has {shape[0]} x {shape[1]} pixels, a segmentation of it {wrong[0]}")
    return truths


def _write(output: Path, name: str, image: np.ndarray, label: np.ndarray, with_overlay: bool) -> None:
    if label.max() >= MOST_REGIONS:
        raise DataError(f"{name} has {label.max() + 1} regions, a PNG tells {MOST_REGIONS} apart: ask for larger ones")
    cv2.imwrite(str(place(output / "labels", name, ".png")), label.astype(np.uint16))
    if with_overlay:
        canvas = visible(image)
        side = max(1, max(canvas.shape) // 500)
        lines = cv2.dilate(region_boundary(label).astype(np.uint8), np.ones((side, side), np.uint8))
        canvas[lines > 0] = rgb(class_colours(["region"])[0])
        cv2.imwrite(str(place(output / "overlays", name, ".jpg")), canvas[..., ::-1])


def _scored(name: str, label: np.ndarray, truths: list[np.ndarray]) -> dict[str, Any]:
    matches = boundary_matches(region_boundary(label), [region_boundary(truth) for truth in truths])
    scores = region_scores(label, truths)._asdict()
    return {"image": name, "regions": int(label.max()) + 1, **scores, "boundary_f1": matches.f1, **matches._asdict()}


def _report(output: Path, rows: list[dict[str, Any]]) -> None:
    """Write each image's scores and those of all; boundary F1 is that of all pixels of boundaries together."""
    with (output / "images.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    metrics = {key: float(np.mean([row[key] for row in rows])) for key in ("regions", "covering", "rand", "variation")}
    together = BoundaryMatches(*(sum(row[key] for row in rows) for key in BoundaryMatches._fields))
    metrics |= {"boundary_f1": together.f1, "images": len(rows)}
    write_atomically(output / "metrics.json", json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    told = ", ".join(f"{key} {value:.3f}" for key, value in metrics.items() if key not in ("images", "regions"))
    Console().print(f"{told} on {len(rows)} images", highlight=False, soft_wrap=True)
