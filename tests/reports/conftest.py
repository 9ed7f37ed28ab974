"""Fake run folders as a training leaves them: two, five and overlapping classes, odd names, undefined scores."""

import csv
import functools
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.reports.chromium import CHROMIUM, DRIVER, SWITCHES

CLASSES = {
    "binary": ["background", "cell"],
    "five": ["background", "<b>wall & door</b>", "\u80dd\u810f foie", "a$b$@c/d", "_void"],
    "overlapping": ["lung", "heart", "clavicle"],
}
EPOCHS, STEPS = 30, 24
IMAGES = 46


@pytest.fixture(scope="session")
def cached_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that writes a run's folder once for each choice of options."""
    root = tmp_path_factory.mktemp("runs")

    @functools.cache
    def write(kind: str, **options: Any) -> Path:
        return write_run(root / f"{len(list(root.iterdir()))}", kind, **options)

    return write


@pytest.fixture
def make_run(tmp_path: Path, cached_run: Callable[..., Path]) -> Callable[..., Path]:
    """Give a function that makes a run's folder of one's own."""

    def make(kind: str = "binary", **options: Any) -> Path:
        return Path(shutil.copytree(cached_run(kind, **options), tmp_path / f"{kind} run #1"))

    return make


@pytest.fixture
def small_run(make_run: Callable[..., Path]) -> Path:
    """Give a run's folder with something of everything, quick to report on."""
    return make_run("binary", references=("clean",), post=False, num_examples=2, side=64)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a headless Chromium that logs what it is asked for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no Chromium with its chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in [*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def write_run(
    folder: Path,
    kind: str = "binary",
    references: tuple[str, ...] = ("clean", "expert"),
    post: bool = True,
    num_examples: int = 4,
    side: int = 256,
    colour: bool = False,
) -> Path:
    """Write all that a finished run leaves, `num_examples` of the worst and as many of the best."""
    rng = np.random.default_rng(0)
    classes = CLASSES[kind]
    suffixes = ["", *(f"@{name}" for name in references)]
    suffixes += [f"{suffix}@post" for suffix in suffixes] if post else []
    (folder / "test").mkdir(parents=True)
    _status(folder)
    _config(folder, kind, classes)
    _history(folder, classes, rng)
    _metrics(folder, classes, suffixes, rng)
    _confusion(folder, kind, classes, suffixes, rng)
    _calibration(folder, suffixes[: 1 + len(references)], rng)
    rows = _images(folder, suffixes, rng)
    _examples(folder, kind, len(classes), references, post, rows, num_examples, (side, colour), rng)
    (folder / "draws.csv").write_text(
        "id,draws\n" + "".join(f"img_{n:03d},{rng.poisson(14) * (n % 17 > 0)}\n" for n in range(203))
    )
    (folder / "revised" / "3").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "revised" / "3" / "img_001.png")
    return folder


def _json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _status(folder: Path) -> None:
    content = {
        "status": "finished",
        "exit_code": 0,
        "reason": "",
        "started": "2026-11-03T14:05:00",
        "finished": "2026-11-03T14:47:13",
        "command": "python train.py experiment=crowdcells model=unet loss=dice 'noise=[curriculum,mixup]' seed=3",
        "device": "cpu (2 threads)",
        "version": "0.1.0",
    }
    _json(folder / "status.json", content)


def _config(folder: Path, kind: str, classes: list[str]) -> None:
    content = {
        "task_name": {"binary": "crowdcells", "five": "street <5> & more", "overlapping": "chest"}[kind],
        "seed": 3,
        "num_classes": len(classes),
        "model": {
            "_target_": "segtrain.models.unet", "encoder_name": "resnet34", "encoder_weights": None, "in_channels": 3,
        },
        "loss": {
            "dice": {"_target_": "segtrain.losses.Dice", "smooth": 1.0e-06, "class_weights": None},
            "cross_entropy": {"_target_": "segtrain.losses.CrossEntropy", "label_smoothing": 0.0},
        },
        "loss_weights": {"cross_entropy": 0.5},
        "noise": {
            "curriculum": {"_target_": "segtrain.noise.Curriculum", "start_fraction": 0.3, "pace": "linear"},
            "mixup": {"_target_": "segtrain.noise.Mixup", "alpha": 0.4},
        },
        "postprocess": {"morphology": {"_target_": "segtrain.postprocess.Morphology", "min_size": 30}},
        "corruption": {},
        "data": {
            "_target_": "segtrain.data.Table", "root": "/data/crowdcells", "classes": classes,
            "labels": "overlapping" if kind == "overlapping" else "exclusive", "size": 256, "fit": "crop",
            "batch_size": 8,
        },
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.001, "weight_decay": 0.01, "betas": [0.9, 0.999]},
        "scheduler": {"_target_": "segtrain.training.cosine", "warmup": 0.05},
        "trainer": {"_target_": "pytorch_lightning.Trainer", "max_epochs": EPOCHS, "precision": "32-true"},
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _history(folder: Path, classes: list[str], rng: np.random.Generator) -> None:
    """Write Lightning's sparse table: the rate and the training loss often, validation once an epoch."""
    per_class = [f"val/dice/{name}" for name in classes]
    terms = ["train/loss", "train/loss_supervised", "train/loss_consistency"]
    names = ["epoch", "step", *terms, "val/loss", "val/dice", "val/iou", *per_class]
    with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*names, "lr-AdamW"])
        table.writeheader()
        for step in range(0, EPOCHS * STEPS, 8):
            epoch, done = step // STEPS, step / (EPOCHS * STEPS)
            loss = 0.12 + 0.6 * math.exp(-5 * done) + 0.02 * rng.normal()
            table.writerow({"epoch": epoch, "step": step, "lr-AdamW": 1e-3 * (1 + math.cos(math.pi * done)) / 2})
            losses = dict(zip(terms, (loss, 0.8 * loss, 0.2 * loss), strict=True))
            table.writerow({"epoch": epoch, "step": step, **losses})
            if (step // 8) % (STEPS // 8) == STEPS // 8 - 1:
                dice = 0.83 - 0.6 * math.exp(-6 * done) + 0.01 * rng.normal()
                row = {"val/loss": 1.02 - dice + 0.08 * done, "val/dice": dice, "val/iou": dice / (2 - dice)}
                row |= {name: dice - 0.05 * place for place, name in enumerate(per_class)}
                table.writerow({"epoch": epoch, "step": (epoch + 1) * STEPS - 1, **row})


def _metrics(folder: Path, classes: list[str], suffixes: list[str], rng: np.random.Generator) -> None:
    values: dict[str, Any] = {}
    for suffix in suffixes:
        lift = 0.05 * ("clean" in suffix) + 0.03 * ("expert" in suffix) + 0.007 * ("post" in suffix)
        base = {"dice": 0.842, "iou": 0.751, "accuracy": 0.941, "precision": 0.861, "recall": 0.828, "fw_iou": 0.89}
        for name, value in (base | {"image_dice": 0.835, "boundary_f1": 0.622}).items():
            values[f"test/{name}{suffix}"] = value + lift * (-1 if name == "recall" else 1)
        values[f"test/hd95{suffix}"] = 11.42 - 60 * lift
        if "post" not in suffix:
            values[f"test/ece{suffix}"] = 0.061 - lift / 3
        for metric in ("dice", "iou", "precision", "recall"):
            for place, name in enumerate(classes):
                values[f"test/{metric}/{name}{suffix}"] = 0.92 - 0.11 * place + 0.8 * lift + 0.005 * rng.normal()
    values[f"test/iou/{classes[-1]}"] = math.nan  # a class that no test image has
    values |= {"best/epoch": 23, "best/monitor": "val/dice", "best/score": 0.8312, "best/labels": "given"}
    _json(folder / "metrics.json", values)


def _confusion(folder: Path, kind: str, classes: list[str], suffixes: list[str], rng: np.random.Generator) -> None:
    matrices = {}
    for suffix in suffixes:
        if kind == "overlapping":
            matrices[suffix] = [[[900_000, 12_000 + place], [9_000, 80_000]] for place in range(len(classes))]
        else:
            matrix = rng.integers(100, 4_000, (len(classes), len(classes))) + np.diag(
                [400_000, *[30_000] * (len(classes) - 1)]
            )
            matrices[suffix] = matrix.tolist()
    _json(
        folder / "test" / "confusion.json",
        {"classes": classes, "overlapping": kind == "overlapping", "matrices": matrices},
    )


def _calibration(folder: Path, suffixes: list[str], rng: np.random.Generator) -> None:
    content = {}
    for suffix in suffixes:
        confidence = (np.arange(15) + 0.5) / 15
        accuracy = np.clip(confidence ** (1.25 if suffix else 1.6) + 0.01 * rng.normal(size=15), 0, 1)
        count = np.round(10_000 * np.exp(5 * (confidence - 1)))
        count[:6] = 0  # with two classes confidence starts at one half
        confidence[:6] = accuracy[:6] = np.nan
        content[suffix] = {"confidence": confidence.tolist(), "accuracy": accuracy.tolist(), "count": count.tolist()}
    _json(folder / "test" / "calibration.json", content)


def _images(folder: Path, suffixes: list[str], rng: np.random.Generator) -> list[tuple[str, float]]:
    names = [f"{metric}{suffix}" for metric in ("dice", "iou", "boundary_f1", "hd95") for suffix in suffixes]
    dice = np.sort(np.clip(rng.beta(9, 1.6, IMAGES), 0.02, 1))
    with (folder / "test" / "images.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", *names])
        for number, value in enumerate(dice):
            lift = [0.05 * (1 - value) * (1 + ("clean" in name)) for name in names]
            cells = [
                "" if number == 7 else 40 * (1 - value) if name.startswith("hd95") else min(1, value + more)
                for name, more in zip(names, lift, strict=True)
            ]
            table.writerow([f"{number:03d}", *cells])
    return [(f"{number:03d}", float(value)) for number, value in enumerate(dice)]


def _examples(
    folder: Path,
    kind: str,
    num_classes: int,
    references: tuple[str, ...],
    post: bool,
    rows: list[tuple[str, float]],
    count: int,
    picture: tuple[int, bool],
    rng: np.random.Generator,
) -> None:
    entries = []
    kinds = {"worst": rows[:count], "best": rows[-count:] if count else []}
    kinds |= {"helped": rows[1 : 1 + count], "harmed": rows[2 : 2 + count]} if post else {}
    for which, chosen in kinds.items():
        for name, dice in chosen:
            place = f"examples/{which}/{name}"
            (folder / "test" / place).mkdir(parents=True)
            drawn = draw_example(rng, *picture, num_classes, kind == "overlapping", 3 if which == "best" else 9)
            labels = {"image": drawn["image"], "given": drawn["given"], "prediction": drawn["prediction"]}
            labels |= dict.fromkeys(references, drawn["clean"]) | ({"post": drawn["clean"]} if post else {})
            for stem, pixels in labels.items():
                Image.fromarray(pixels).save(folder / "test" / place / f"{stem}.png")
            entries.append({"id": name, "kind": which, "dice": dice, "folder": place})
    _json(folder / "test" / "examples.json", {"overlapping": kind == "overlapping", "examples": entries})


def draw_example(
    rng: np.random.Generator, side: int, colour: bool, num_classes: int, overlapping: bool, shift: int
) -> dict[str, np.ndarray]:
    """Draw blobs in uneven light; the given label is too wide and misses one, the prediction is off by `shift`."""
    height, width = side, max(8, side * 7 // 8)
    rows, columns = np.mgrid[:height, :width] / side  # (H, W)
    image = 70 + 40 * rows + 30 * columns
    labels = {name: np.zeros((height, width), np.uint8) for name in ("clean", "given", "prediction")}
    for number in range(11):
        centre = rng.uniform(0.1, 0.9, 2)
        radii = rng.uniform(0.05, 0.13, 2)
        value = number % num_classes if overlapping else 1 + number % (num_classes - 1)
        for name, grow, move in (("clean", 1.0, 0), ("given", 1.25, 0), ("prediction", 1.05, shift / 256)):
            inside = _blob(rows - move, columns, centre, radii * grow)
            if name == "clean":
                image[inside] += 60 + 10 * value
            if name == "given" and number == 4:
                continue
            labels[name][inside] = labels[name][inside] | (1 << value) if overlapping else value
    if not overlapping:
        labels["given"][: side // 12, : side // 4] = 255
    noisy = image[..., None] + rng.normal(0, 9, (height, width, 3 if colour else 1))
    pixels = noisy.clip(0, 255).astype(np.uint8)
    return {"image": pixels if colour else pixels[..., 0], **labels}


def _blob(rows: np.ndarray, columns: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    down, right = rows - centre[0], columns - centre[1]
    wobble = 1 + 0.15 * np.sin(3 * np.arctan2(down, right))
    return (down / radii[0]) ** 2 + (right / radii[1]) ** 2 < wobble
