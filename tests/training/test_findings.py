"""What a strategy finds out is told at once, kept in the run's folder, and shown on its page."""

import json
from pathlib import Path

import cv2
import pytest

from segtrain.noise import Findings, NoiseStrategy
from segtrain.reports import write_report
from segtrain.run.build import build
from tests.small import small_config


class Finds(NoiseStrategy):
    """Has something to tell from the second epoch on."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Findings | None = None

    def audit(self, view: object, epoch: int) -> None:  # type: ignore[override]
        if epoch >= 1:
            amounts = {"class": 1, "unit": "pixels", "value": 1.0, "low": 0.5, "high": None, "found": True}
            finding = {"kind": "wide", "why": "class 1: too wide", **amounts}
            diagnosis = {"calibrated": True, "findings": [finding]}
            self.told = Findings(["class 1: too wide"], diagnosis, (("class 1: wide", 3), ("class 1: wide", 0)))

    @property
    def findings(self) -> Findings | None:
        return self.told


@pytest.mark.parametrize("labels", ["exclusive", "overlapping"])
def test_findings_are_written_once_with_pictures(
    tmp_path: Path, labels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ("callbacks=[findings]", f"data.labels={labels}", "data.classes=[background,cell]")
    parts = build(small_config(*overrides), tmp_path)
    parts.task.strategy = parts.data.strategy = Finds()
    parts.trainer.fit(parts.task, datamodule=parts.data)
    assert capsys.readouterr().out.count("cell: too wide") == 1
    content = json.loads((tmp_path / "findings" / "findings.json").read_text())
    assert content["epoch"] == 1
    assert content["sentences"] == ["cell: too wide"]
    ids = parts.data.splits["train"].ids
    assert [(example["id"], example["kind"]) for example in content["examples"]] == [
        (ids[3], "cell: wide"), (ids[0], "cell: wide"),
    ]  # fmt: skip
    pictures = tmp_path / "findings" / content["examples"][0]["folder"]
    given = cv2.imread(str(pictures / "given.png"), cv2.IMREAD_UNCHANGED)
    label = parts.data.splits["train"].read(3).label
    assert label is not None
    assert (given == (label if label.ndim == 2 else label[0] + 2 * label[1])).all()
    assert (pictures / "image.png").exists()
    assert (pictures / "prediction.png").exists()
    page = write_report(tmp_path).read_text()
    assert "What the strategy found in the labels" in page
    assert "<li>cell: too wide</li>" in page
    assert "Noise of the training labels, in pixels" in page
    assert ids[3] in page


def test_nothing_is_written_where_nothing_is_found(tmp_path: Path) -> None:
    parts = build(small_config("callbacks=[findings]"), tmp_path)
    parts.trainer.fit(parts.task, datamodule=parts.data)
    assert not (tmp_path / "findings").exists()
    assert "What the strategy found" not in write_report(tmp_path).read_text()
