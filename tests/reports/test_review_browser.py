"""audit.html in a real browser: deciding by keys, finding, keeping, saving and loading decisions, also of thousands."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segtrain.config import compose_config
from segtrain.reports.review import write_review
from segtrain.run import correct
from tests.audited import audited
from tests.reports.audits import CLASSES, write_audit
from tests.reports.chromium import requested, visit

HOSTILE = ("<b>bold</b>", 'a/b #3 &amp; "c"', "süß 肝", "</script><!--", "007")
SHADES = """
const canvas = document.querySelector(arguments[0]);
const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
return [...new Set(new Uint32Array(pixels.buffer))].length;
"""


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_review(write_audit(tmp_path_factory.mktemp("audit")))


@pytest.fixture
def page(browser: Any, audit: Path) -> Iterator[Any]:
    """Give the browser at a page without decisions; nothing may have gone wrong in the end."""
    visit(browser, audit, 1600)
    browser.execute_script("localStorage.clear()")
    visit(browser, audit, 1600)
    yield browser
    assert browser.get_log("browser") == []


def press(browser: Any, keys: str) -> None:
    browser.find_element("tag name", "body").send_keys(keys)


def text(browser: Any, name: str) -> str:
    return str(browser.execute_script("return document.getElementById(arguments[0]).textContent", name))


def decided(browser: Any) -> dict[str, str]:
    return dict(browser.execute_script("return Object.fromEntries(decisions.made)"))


def current(browser: Any) -> str:
    return str(browser.execute_script("return FINDINGS[state.current].key"))


def listed(browser: Any) -> list[str]:
    return list(browser.execute_script("return state.ranks.map(rank => FINDINGS[rank].key)"))


def put(browser: Any, name: str, value: str) -> None:
    """Set a filter as a hand would."""
    script = (
        "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input'))"
    )
    browser.execute_script(script, name, value)


def until(holds: Callable[[], object], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def seen(browser: Any) -> bool:
    return bool(browser.execute_script("return viewer.image !== null && viewer.finding.rank === state.current"))


@pytest.mark.parametrize("overlapping", [False, True])
def test_it_shows_picture_and_masks_and_asks_nothing_of_the_network(
    browser: Any, tmp_path: Path, overlapping: bool
) -> None:
    written = write_review(write_audit(tmp_path, overlapping=overlapping))
    visit(browser, written, 1600)
    until(lambda: seen(browser))
    time.sleep(0.1)
    for canvas in (
        "#stage canvas",
        *(f"[data-layer={name}]" for name in ("image", "given", "suggested", "prediction")),
    ):
        assert browser.execute_script(SHADES, canvas) > 10, canvas
    assert requested(browser) == {written.as_uri()}
    assert browser.get_log("browser") == []


def test_the_caption_says_what_is_wrong(page: Any) -> None:
    said = "nucleus: an object is not drawn (given background, suggested nucleus), 113 pixels, score 0.98"
    assert text(page, "caption") == said
    assert "about 98 % of such findings are right" in text(page, "where")
    assert text(page, "evidence") == "self confidence0.98neighbours0.50"


def test_keys_decide_and_undo(page: Any) -> None:
    assert current(page) == "one#0"
    press(page, "a")
    assert current(page) == "one#1"
    press(page, "ra")
    assert decided(page) == {"one#0": "accept", "one#1": "reject", "one#2": "accept"}
    assert text(page, "decided") == "3 of 12 decided"
    assert text(page, "shares") == "2 accepted, 1 rejected"
    press(page, "kr")  # thinks better of it
    assert decided(page)["one#2"] == "reject"
    press(page, "u")
    assert decided(page)["one#2"] == "accept"
    assert current(page) == "one#2"
    press(page, "uu")
    assert decided(page) == {"one#0": "accept"}
    press(page, "uuu")
    assert decided(page) == {}
    press(page, "jj\ue015k\ue013")  # arrow down and up
    assert current(page) == "one#1"


def test_a_key_held_down_decides_once(page: Any) -> None:
    held = {"type": "keyDown", "key": "a", "text": "a"}
    for repeated in (False, True, True):
        page.execute_cdp_cmd("Input.dispatchKeyEvent", {**held, "autoRepeat": repeated})
    assert decided(page) == {"one#0": "accept"}


def test_buttons_do_what_keys_do(page: Any) -> None:
    for action in ("accept", "next", "reject", "previous", "undo"):
        page.find_element("css selector", f"[data-action={action}]").click()
    assert decided(page) == {"one#0": "accept"}
    assert current(page) == "one#2"
    page.find_element("css selector", "[data-rank='5']").click()
    assert current(page) == "two#2"
    until(lambda: page.find_elements("css selector", "[data-rank='5'][aria-selected=true]"))
    names = page.execute_script(
        "return [...document.querySelectorAll('button, input, select')].map("
        "e => e.ariaLabel || e.textContent.trim() || e.closest('label')?.textContent.trim() || '')"
    )
    assert all(names)


def test_layers_zoom_and_help(page: Any) -> None:
    until(lambda: seen(page))
    layers = "return Object.keys(viewer.layers).filter(name => viewer.layers[name])"
    assert page.execute_script(layers) == ["given", "suggested", "region"]
    press(page, "134")
    assert page.execute_script(layers) == ["suggested", "prediction"]
    near = page.execute_script("return viewer.view.scale")
    press(page, "z")
    assert page.execute_script("return viewer.view.scale") < near
    press(page, "z")
    assert page.execute_script("return viewer.view.scale") == near
    press(page, "?")
    help_shown = "return document.getElementById('keys').open"
    assert page.execute_script(help_shown)
    press(page, "a")  # is not meant for the finding behind
    assert decided(page) == {}
    press(page, "?")
    assert not page.execute_script(help_shown)


def test_the_wheel_enlarges_and_a_drag_moves(page: Any) -> None:
    until(lambda: seen(page))
    press(page, "z")
    view = "return [viewer.view.x, viewer.view.y, viewer.view.scale]"
    x, y, scale = page.execute_script(view)
    box = page.find_element("id", "stage").rect
    at = {"x": int(box["x"] + box["width"] / 2), "y": int(box["y"] + box["height"] / 2)}
    mouse = {"button": "left", "buttons": 1, "clickCount": 1}
    page.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseWheel", **at, "deltaX": 0, "deltaY": -600})
    until(lambda: page.execute_script(view)[2] > 1.5 * scale)
    page.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mousePressed", **at, **mouse})
    moved = {"x": at["x"] + 60, "y": at["y"] + 30}
    page.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", **moved, **mouse})
    page.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseReleased", **moved, **mouse})
    right, down, larger = page.execute_script(view)
    assert right == pytest.approx(x - 60 / larger, abs=1)
    assert down == pytest.approx(y - 30 / larger, abs=1)


def test_filters_and_search(page: Any) -> None:
    press(page, "ar")
    put(page, "kind", page.execute_script("return AUDIT.kinds.findIndex(([name]) => name === 'extra')"))
    assert listed(page) == ["one#1", "two#1", "three#1", "four#1"]
    assert text(page, "listed") == "4 findings listed"
    put(page, "decision", "undecided")
    assert listed(page) == ["two#1", "three#1", "four#1"]
    assert current(page) == "two#1"
    press(page, "a")  # leaves the list, and the next one comes up
    assert (listed(page), current(page)) == (["three#1", "four#1"], "three#1")
    put(page, "search", "FOU")
    assert listed(page) == ["four#1"]
    put(page, "search", "nobody")
    assert listed(page) == []
    assert page.find_element("id", "empty").is_displayed()
    for name in ("kind", "decision", "search"):
        put(page, name, "")
    put(page, "least", "0.75")
    assert listed(page) == ["one#0", "one#1", "one#2", "two#0"]
    put(page, "least", "0")
    put(page, "class", "2")
    assert listed(page) == ["one#2", "two#2", "three#2", "four#2"]
    page.find_element("id", "search").send_keys("are")  # letters typed are no decisions
    assert len(decided(page)) == 3


def test_a_reload_keeps_decisions_and_the_reviewer(page: Any, audit: Path) -> None:
    page.find_element("id", "reviewer").send_keys("Dr. Ärztin")
    press(page, "ar")
    visit(page, audit, 1600)
    assert decided(page) == {"one#0": "accept", "one#1": "reject"}
    assert page.find_element("id", "reviewer").get_property("value") == "Dr. Ärztin"
    assert current(page) == "one#2"  # the first that is open
    assert not page.find_element("id", "memory").is_displayed()


def test_it_works_where_the_browser_keeps_nothing(page: Any, audit: Path) -> None:
    refusing = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused'); }})"
    added = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refusing})
    try:
        visit(page, audit, 1600)
        press(page, "ar")
        assert decided(page) == {"one#0": "accept", "one#1": "reject"}
        assert page.find_element("id", "memory").is_displayed()
        page.execute_script("decisions.unsaved = false")  # so that leaving asks nothing
    finally:
        page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_decisions_are_saved_and_loaded(page: Any, tmp_path: Path) -> None:
    place = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.execute_cdp_cmd("Browser.setDownloadBehavior", place)
    page.find_element("id", "reviewer").send_keys("Dr. B")
    press(page, "arja")
    made = decided(page)
    page.find_element("css selector", "[data-action=download]").click()
    file = tmp_path / "decisions.json"
    until(file.exists)
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content.pop("saved").endswith("Z")
    assert content == {
        "format": 1, "data": "f00d", "created": "2026-11-28T12:00:00", "classes": CLASSES, "reviewer": "Dr. B",
        "decisions": {"one#0": "accept", "one#1": "reject", "two#0": "accept"},
    }  # fmt: skip
    press(page, "uuu")
    assert decided(page) == {}
    page.find_element("id", "file").send_keys(str(file))
    until(lambda: decided(page) == made)
    assert text(page, "said") == "Loaded 3 decisions by Dr. B."
    press(page, "u")  # one step takes all of it back
    assert decided(page) == {}


def test_what_a_person_decides_on_the_page_is_what_gets_corrected(browser: Any, tmp_path: Path) -> None:
    made = audited(tmp_path)
    visit(browser, write_review(made.run / "audit"), 1600)
    browser.execute_script("localStorage.clear()")
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    accepted, rejected = listed(browser)[:2]
    press(browser, "ar")
    browser.find_element("css selector", "[data-action=download]").click()
    until((tmp_path / "decisions.json").exists)
    given = [f"run='{made.run}'", f"decisions={tmp_path}/decisions.json", f"output={tmp_path}/out"]
    changes = pd.read_csv(correct(compose_config("correct", given)) / "corrections.csv")
    assert changes["issue"].tolist() == [accepted]
    assert rejected != accepted
    browser.execute_script("decisions.unsaved = false")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("no json", "This file holds no decisions"),
        ("[]", "This file holds no decisions"),
        ('{"format": 1, "decisions": null}', "This file holds no decisions"),
        (
            '{"format": 1, "data": "beef", "created": "2026", "decisions": {"one#0": "accept"}}',
            "belong to another audit",
        ),
    ],
)
def test_foreign_files_are_refused(page: Any, tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(content)
    page.find_element("id", "file").send_keys(str(file))
    until(lambda: sentence in text(page, "said"))
    assert decided(page) == {}


def test_hostile_ids_are_shown_as_text(browser: Any, tmp_path: Path) -> None:
    visit(browser, write_review(write_audit(tmp_path, HOSTILE, each=(1,), unseen=HOSTILE[2:3])), 1200)
    until(lambda: seen(browser))
    until(lambda: len(browser.find_elements("css selector", ".row .image")) == 5)
    shown = browser.execute_script("return [...document.querySelectorAll('.row .image')].map(e => e.textContent)")
    assert shown == list(HOSTILE)
    press(browser, "ja")
    assert current(browser) == f"{HOSTILE[2]}#0"
    until(lambda: "No picture" in browser.find_element("css selector", "#stage .note").text)
    assert decided(browser) == {f"{HOSTILE[1]}#0": "accept"}
    assert browser.execute_script("return document.querySelectorAll('b').length") < 12
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [1600, 1200, 768, 390])
def test_nothing_runs_over_the_side(browser: Any, audit: Path, width: int) -> None:
    for theme in ("light", "dark"):
        visit(browser, audit, width, theme)
        browser.execute_script("document.querySelector('.overview').open = true")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script("return document.getElementById('stage').clientWidth") > 0.45 * width
    assert browser.get_log("browser") == []


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    return write_review(write_audit(folder, [f"ward {number % 7}/{number:04d}" for number in range(2000)], (3, 2)))


def test_thousands_of_findings_do_not_stall(browser: Any, many: Path) -> None:
    begun = time.monotonic()
    visit(browser, many, 1600)
    until(lambda: seen(browser))
    assert time.monotonic() - begun < 3
    assert text(browser, "decided") == "0 of 5,000 decided"
    assert browser.execute_script("return document.querySelectorAll('.row').length") < 100
    begun = time.monotonic()
    for _ in range(10):
        press(browser, "j" * 20)
    until(lambda: seen(browser))
    assert time.monotonic() - begun < 10
    assert browser.execute_script("return state.current") == 200
    browser.execute_script("document.getElementById('list').scrollTop = 1e9")
    until(lambda: browser.find_elements("css selector", "[data-rank='4999']"))
    assert browser.execute_script("return document.querySelectorAll('.row').length") < 100
    put(browser, "search", "ward 4/1")
    assert 10 < len(listed(browser)) < 1000
    assert browser.get_log("browser") == []
