"""audit.html as it is written: what it holds, how it is escaped, what is refused."""

import base64
import json
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segtrain.audit.issue import decode_mask
from segtrain.audit.store import AuditStore
from segtrain.errors import DataError
from segtrain.reports import review
from segtrain.reports.review import write_review
from tests.reports.audits import CLASSES, SIDE, write_audit

HOSTILE = ("a/b #3.png", "</script><b>&\"'", "<!-- süß", "007")


def blocks(page: Path) -> dict[str, Any]:
    """Give the data of a page: id -> content."""
    found = re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', page.read_text(encoding="utf-8"))
    return {name: json.loads(content) for name, content in found}


def label(block: dict[str, Any], name: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(block["labels"][name])), np.uint8).reshape(-1, *block["grid"])


def test_findings_are_listed_best_first(tmp_path: Path) -> None:
    page = write_review(write_audit(tmp_path))
    assert page == tmp_path / "audit.html"
    assert not list(tmp_path.glob("*.part"))
    data = blocks(page)["audit"]
    assert data["images"] == ["one", "two", "three", "four"]
    assert data["evidence"] == ["self_confidence", "neighbours"]
    image, number, kind, *about, score, precision, own, other = data["findings"][1]
    assert (image, number, data["kinds"][kind][0], about) == (0, 1, "extra", [1, 1, 0, 149])
    assert (score, precision, own, other) == (0.97, 0.97, 0.98, 0.5)
    scores = [row[-4] for row in data["findings"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 12


@pytest.mark.parametrize("overlapping", [False, True])
def test_labels_and_regions_are_those_of_the_audit(tmp_path: Path, overlapping: bool) -> None:
    store = AuditStore(write_audit(tmp_path, overlapping=overlapping))
    found = blocks(write_review(tmp_path))
    entry, given = store.read("two"), store.given("two")
    assert entry is not None
    assert given is not None
    block = found["image-1"]
    assert block["size"] == block["grid"] == [SIDE, SIDE]
    for name, expected in (("given", given), ("suggested", entry.suggested), ("prediction", entry.prediction)):
        np.testing.assert_array_equal(label(block, name), expected.reshape(-1, SIDE, SIDE))
    region, issue = block["regions"][1], entry.issues[1]
    assert (region["top"], region["left"]) == (issue.top, issue.left)
    np.testing.assert_array_equal(decode_mask(region["counts"], region["height"], region["width"]), issue.mask)
    classes = found["audit"]["findings"][1][4:6]
    assert classes == ([-1, 1] if overlapping and issue.given < 0 else [issue.given, issue.suggested])


def test_only_the_best_are_on_the_page(tmp_path: Path) -> None:
    found = blocks(write_review(write_audit(tmp_path), most=4))
    assert len(found["audit"]["findings"]) == 4
    assert list(found) == ["audit", "image-0", "image-1"]
    assert "the best 4 are on this page" in (tmp_path / "audit.html").read_text()


def test_hostile_ids_are_escaped(tmp_path: Path) -> None:
    page = write_review(write_audit(tmp_path, HOSTILE))
    found = blocks(page)
    assert found["audit"]["images"] == list(HOSTILE)
    assert len(found) == 1 + len(HOSTILE)
    text = page.read_text(encoding="utf-8")
    assert text.count("<b>&") == 0
    assert "<!-- " not in text
    assert "cells &lt;1&gt; &amp; more" in text


def test_an_image_without_a_picture_or_with_a_damaged_one_is_listed(tmp_path: Path) -> None:
    write_audit(tmp_path, unseen=["two"])
    AuditStore(tmp_path).picture("three").write_bytes(b"no picture")
    found = blocks(write_review(tmp_path))
    assert len(found["audit"]["findings"]) == 12
    assert sorted(found) == ["audit", "image-0", "image-3"]


def test_many_pictures_are_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AuditStore(write_audit(tmp_path))
    store.write_picture("one", np.random.default_rng(0).random((600, 900, 1), np.float32))
    sizes = []
    for limit in (10**9, 1000):
        monkeypatch.setattr(review, "_LARGE", limit)
        (tmp_path / "picture.jpg").write_bytes(base64.b64decode(blocks(write_review(tmp_path))["image-0"]["picture"]))
        with Image.open(tmp_path / "picture.jpg") as picture:
            sizes.append(picture.size)
    assert sizes == [(900, 600), (512, 341)]


def test_large_labels_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AuditStore(write_audit(tmp_path))
    monkeypatch.setattr(review, "_GRID_SIDE", 20)
    block = blocks(write_review(tmp_path))["image-0"]
    given = store.given("one")
    assert given is not None
    assert (block["step"], block["grid"], block["size"]) == (3, [16, 16], [SIDE, SIDE])
    np.testing.assert_array_equal(label(block, "given")[0], given[1::3, 1::3])


def test_what_a_summary_leaves_out_is_left_out(tmp_path: Path) -> None:
    write_audit(tmp_path)
    file = tmp_path / "summary.json"
    content = json.loads(file.read_text())
    full = write_review(tmp_path).read_text(encoding="utf-8")
    for name in ("by_kind", "thresholds", "sentences", "advice", "run", "split"):
        del content[name]
    file.write_text(json.dumps(content))
    bare = write_review(tmp_path).read_text(encoding="utf-8")
    for sentence in ("How many are right", "Advice", "What kind of noise", "Correct &lt;these&gt; first.", "81 %"):
        assert sentence in full
        assert sentence not in bare
    for text in (full, bare):
        assert "an object is not drawn" in text


def test_an_audit_that_found_nothing_has_a_page(tmp_path: Path) -> None:
    write_audit(tmp_path)
    lines = (tmp_path / "issues.csv").read_text().splitlines()
    (tmp_path / "issues.csv").write_text(lines[0] + "\n")
    (tmp_path / "summary.json").write_text(
        json.dumps({"created": "2026-11-28", "data": "f00d", "classes": CLASSES, "images": 4, "issues": 0})
    )
    page = write_review(tmp_path)
    assert blocks(page)["audit"]["findings"] == []
    assert "Nothing was found." in page.read_text(encoding="utf-8")


def test_a_folder_without_an_audit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no finished audit"):
        write_review(tmp_path / "nowhere")
    write_audit(tmp_path)
    shutil.move(tmp_path / "summary.json", tmp_path / "elsewhere")
    with pytest.raises(DataError, match="holds no finished audit"):
        write_review(tmp_path)


def test_it_is_one_file_that_allows_its_own_script_alone(tmp_path: Path) -> None:
    text = write_review(write_audit(tmp_path)).read_text(encoding="utf-8")
    assert "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'sha256-" in text
    assert not re.search(r"https?://|<link rel=.stylesheet|<script src|\son[a-z]+=", text)
