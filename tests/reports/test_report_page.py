"""report.html: all it must show, whatever it is given."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from segtrain.reports import write_report

MakeRun = Callable[..., Path]
SECTIONS = [
    "scores", "classes", "examples", "curves", "confusion", "calibration", "images", "training-set", "config",
]  # fmt: skip
VOID = {"meta", "link", "br", "img", "path", "rect", "use", "image", "stop"}


class Outline(HTMLParser):
    """The text of a page, section by section; a tag that closes what it did not open is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.section = "header"
        self.text: dict[str, str] = {"header": ""}
        self.addresses: list[str] = []
        self.feed(page)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section":
            self.section = given["id"] or ""
            self.text[self.section] = ""
        self.addresses += [
            given[name] or "" for name in ("href", "src", "xlink:href", "data", "action") if name in given
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text[self.section] += f"{data} "


def read(page: Path) -> dict[str, str]:
    text = Outline(page.read_text(encoding="utf-8")).text
    return {section: " ".join(words.split()) for section, words in text.items()}


def set_status(run: Path, **values: Any) -> None:
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | values))


@pytest.mark.parametrize("kind", ["binary", "five", "overlapping"])
def test_a_finished_run_shows_everything(make_run: MakeRun, kind: str) -> None:
    run = make_run(kind)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    page = write_report(run)
    assert page == run / "report.html"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path != page} == before

    text = read(page)
    assert list(text) == ["header", *SECTIONS[:3], "postprocess", *SECTIONS[3:]]
    assert not re.search(r"There (is|are) no |cannot be|not known", " ".join(text.values()))
    for words in ("finished", "2026-11-03 14:05", "42 min 13 s", "cpu (2 threads)", "unet", "resnet34"):
        assert words in text["header"]
    assert "dice + 0.5 x cross_entropy" in text["header"]
    assert "curriculum + mixup" in text["header"]
    assert "0.842" in text["scores"]
    assert "vs clean 0.892 vs expert 0.872" in text["scores"]
    assert "epoch 23, selected by val/dice = 0.831, judged by the given labels" in text["scores"]
    assert text["scores"].count("raw post change") == 3
    assert "ECE 0.061" in text["calibration"]
    assert "12 were never drawn" in text["training-set"]
    assert "1 in revision 3" in text["training-set"]
    assert "python train.py experiment=crowdcells model=unet loss=dice 'noise=[curriculum,mixup]'" in text["config"]
    assert "label_smoothing 0.0" in text["config"]
    for title in ("image", "prediction", "given label", "errors vs given label", "errors vs expert", "post-processed"):
        assert text["examples"].count(title) >= 4


@pytest.fixture(scope="module")
def odd_page(cached_run: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with five classes of odd names, for tests that only read it."""
    return write_report(Path(shutil.copytree(cached_run("five"), tmp_path_factory.mktemp("odd") / "run")))


def test_odd_names_are_escaped_and_whole(odd_page: Path) -> None:
    text = read(odd_page)
    for name in ("<b>wall & door</b>", "\u80dd\u810f foie", "a$b$@c/d", "_void"):
        assert name in text["classes"]
        assert name in text["examples"]
        assert name in text["curves"]
        assert name in text["header"]
    assert "street <5> & more" in text["header"]
    assert "<b>wall" not in odd_page.read_text(encoding="utf-8")


def test_a_script_in_any_text_stays_text(small_run: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    set_status(small_run, reason=evil, command=evil, device=evil, version=evil)
    for name in ("config.yaml", "metrics.json", "test/confusion.json", "test/examples.json", "test/calibration.json"):
        content = (small_run / name).read_text(encoding="utf-8")
        quoted = json.dumps(evil)[1:-1]
        content = content.replace("clean", quoted if name.endswith("json") else "clean").replace("crowdcells", "x<i>y")
        (small_run / name).write_text(content, encoding="utf-8")
    (small_run / "test" / "images.csv").write_text(f'id,dice\n"{evil.replace(chr(34), "")}",0.5\n')
    (small_run / "test" / "examples" / "worst" / "000" / "a<script>b.png").write_bytes(
        (small_run / "test" / "examples" / "worst" / "000" / "given.png").read_bytes()
    )
    page = write_report(small_run).read_text(encoding="utf-8")
    assert "a&lt;script&gt;b" in page
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"<script|<img|<i>", page)


def test_nothing_is_fetched_and_nothing_runs(odd_page: Path) -> None:
    page = odd_page.read_text(encoding="utf-8")
    addresses = Outline(page).addresses
    assert len(addresses) > 50
    assert {re.match(r"data:|#", address) is not None for address in addresses} == {True}
    assert not re.search(r"<script|@import|url\((?!#)|\son\w+=", page)
    assert "default-src 'none'" in page


def test_no_id_is_used_twice(odd_page: Path) -> None:
    page = odd_page.read_text(encoding="utf-8")
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 20
    used = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', page))
    assert used <= set(ids)


def test_the_same_folder_gives_the_same_page(small_run: Path) -> None:
    assert write_report(small_run).read_bytes() == write_report(small_run).read_bytes()


PLACES = {
    "status.json": ("config", "The command is not known"),
    "config.yaml": ("config", "There is no config.yaml"),
    "metrics.json": ("scores", "There are no test scores"),
    "metrics.csv": ("curves", "There are no curves"),
    "test/confusion.json": ("confusion", "There is no confusion matrix"),
    "test/calibration.json": ("calibration", "There is no reliability diagram"),
    "test/images.csv": ("images", "There are no scores by image"),
    "test/examples.json": ("examples", "There are no example pictures"),
    "draws.csv": ("training-set", "It was not recorded how often"),
}
DRAWN = {"metrics.csv", "test/confusion.json", "test/calibration.json", "test/images.csv", "draws.csv"}


def leave(run: Path, names: set[str]) -> None:
    for name in PLACES.keys() - names:
        (run / name).unlink()


@pytest.mark.parametrize("present", list(PLACES))
def test_one_file_alone_shows_its_part_and_the_others_are_said_to_be_missing(small_run: Path, present: str) -> None:
    leave(small_run, {present})
    text = read(write_report(small_run))
    assert list(text) == ["header", *SECTIONS]
    assert "could not be used" not in text["header"]
    for name, (section, said) in PLACES.items():
        assert (said in text[section]) == (name != present)


@pytest.mark.parametrize("damaged", [name for name in PLACES if not name.endswith("csv")])
def test_a_damaged_file_is_named_and_the_rest_is_shown(small_run: Path, damaged: str) -> None:
    leave(small_run, (PLACES.keys() - DRAWN) | {damaged})
    content = (small_run / damaged).read_text(encoding="utf-8")
    (small_run / damaged).write_text("{" + content[: len(content) // 2] + " [", encoding="utf-8")
    text = read(write_report(small_run))
    assert f"{damaged} cannot be read" in text["header"]
    for name in PLACES.keys() - DRAWN - {damaged}:
        section, said = PLACES[name]
        assert said not in text[section]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("test/confusion.json", {"classes": ["a"], "matrices": {"": [[1, 2], [3]]}}, "The confusion matrix"),
        ("test/calibration.json", {"": {"confidence": [0.5]}}, "The calibration"),
        ("test/examples.json", {"examples": [{"id": "1"}]}, "The examples"),
        ("config.yaml", {"data": {"classes": 7}, "model": "unet", "loss": ["dice"]}, ""),
        ("draws.csv", "id,times\n1,2\n", "The draws"),
        ("metrics.json", [1, 2], "metrics.json cannot be read: it should hold a mapping"),
    ],
)
def test_content_of_another_shape_is_named_and_the_rest_is_shown(
    small_run: Path, name: str, content: object, said: str
) -> None:
    leave(small_run, (PLACES.keys() - DRAWN) | {name})
    (small_run / name).write_text(content if isinstance(content, str) else json.dumps(content))
    text = read(write_report(small_run))
    assert said in text["header"]
    assert list(text) == ["header", *SECTIONS]


def test_damaged_pictures_are_named(small_run: Path) -> None:
    leave(small_run, PLACES.keys() - DRAWN)
    worst = small_run / "test" / "examples" / "worst"
    (worst / "000" / "image.png").unlink()
    (worst / "001" / "given.png").write_bytes((worst / "001" / "given.png").read_bytes()[:60])
    text = read(write_report(small_run))["examples"]
    assert text.count("Its pictures cannot be shown") == 2
    assert text.count("errors vs given label") >= 2


@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("interrupted", 143), ("running", 0)])
def test_a_run_that_did_not_finish(small_run: Path, status: str, code: int) -> None:
    shutil.rmtree(small_run / "test")
    for name in ("metrics.json", "draws.csv"):
        (small_run / name).unlink()
    whole = (small_run / "metrics.csv").read_text()
    (small_run / "metrics.csv").write_text(whole[: len(whole) // 4])  # cut in the middle of a line
    set_status(small_run, status=status, exit_code=code, finished=None, reason="the disk is full: 3 MB left")
    text = read(write_report(small_run))
    assert status in text["header"]
    assert "the disk is full: 3 MB left" in text["header"]
    assert (f"Exit status {code}" in text["header"]) == (code != 0)
    assert "Duration" not in text["header"]
    assert "no epoch was chosen" in text["scores"]
    assert "Learning rate" in text["curves"]
    why = "The run has not come so far yet" if status == "running" else f"The run {'was ' * (code == 143)}{status}"
    assert all(why in text[section] for section in ("scores", "classes", "examples", "confusion", "calibration"))


def test_an_empty_folder_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = read(write_report(tmp_path / "empty"))
    assert "ending unknown" in text["header"]
    assert list(text) == ["header", *SECTIONS]
    with pytest.raises(NotADirectoryError, match="nowhere is not a folder"):
        write_report(tmp_path / "nowhere")


def test_a_plain_run_has_one_column_and_no_bars_for_what_is_undefined(make_run: MakeRun) -> None:
    run = make_run("five", references=(), post=False, num_examples=1, side=64)
    text = read(write_report(run))
    assert "vs clean" not in " ".join(text.values())
    assert "post" not in text["scores"]
    assert "n/a" in text["classes"]
    assert "errors vs given label" in text["examples"]


def test_the_best_epoch_stands_in_for_a_test(small_run: Path) -> None:
    leave(small_run, PLACES.keys() - DRAWN)
    (small_run / "test" / "examples.json").write_text('{"examples": []}')
    (small_run / "metrics.json").write_text('{"best/epoch": 3, "best/monitor": "val/dice", "best/score": 0.712}')
    text = read(write_report(small_run))
    assert "val/dice 0.712 of the best epoch, in validation" in text["scores"]
    assert "epoch 3, selected by val/dice = 0.712" in text["scores"]
    assert "There are no test scores" in text["scores"]
    assert "There are no example pictures" in text["examples"]


@pytest.mark.parametrize("kind", ["five", "overlapping"])
def test_twenty_four_colour_examples_stay_below_3_mb_and_5_s(make_run: MakeRun, kind: str) -> None:
    run = make_run(kind, num_examples=8, colour=True)
    started = time.process_time()
    page = write_report(run)
    assert time.process_time() - started < 5
    assert page.stat().st_size < 3_000_000
    assert page.read_text(encoding="utf-8").count('class="card"') == 24


def test_reports_need_neither_torch_nor_lightning_nor_hydra() -> None:
    code = (
        "import segtrain.reports, sys; print([m for m in ('torch', 'pytorch_lightning', 'hydra') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
