"""report.html in a real browser: nothing asked of the network, no error, every picture there, at any width."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segtrain.reports import write_report
from tests.reports.chromium import requested, visit

DECODE = """
const done = arguments[arguments.length - 1];
const sources = [...document.querySelectorAll('image, img')].map(
    e => e.getAttribute('href') || e.getAttribute('xlink:href') || e.src);
Promise.all(sources.map(source => new Promise(resolve => {
    const image = new Image();
    image.onload = () => resolve(image.naturalWidth);
    image.onerror = () => resolve(0);
    image.src = source;
}))).then(done);
"""


@pytest.mark.parametrize("kind", ["binary", "five", "overlapping"])
def test_it_renders_without_errors_or_requests(browser: Any, make_run: Callable[..., Path], kind: str) -> None:
    page = write_report(make_run(kind, num_examples=2))
    visit(browser, page, 1200)
    assert browser.get_log("browser") == []
    assert requested(browser) == {page.as_uri()}
    count = browser.execute_script("return [...document.querySelectorAll('main > section')].length")
    assert count == 10
    widths = browser.execute_async_script(DECODE)
    assert len(widths) > 4 * 9
    assert min(widths) > 0
    for width in (1200, 768, 390, 320):
        visit(browser, page, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_pictures_are_layered_and_enlarge_on_a_click(browser: Any, small_run: Path) -> None:
    visit(browser, write_report(small_run), 1200)
    shapes = browser.execute_script(
        "return [...document.querySelectorAll('.zoom svg')].map(e => [...e.children].map(c => c.tagName).join())"
    )
    assert len(shapes) == 4 * 6
    assert set(shapes) == {"title,use", "title,use,image"}
    picture = browser.find_element("css selector", ".zoom svg")
    small = picture.size["width"]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", picture)
    picture.click()
    assert picture.size["width"] > 4 * small
    picture.click()
    assert picture.size["width"] == small


def test_figures_follow_the_theme(browser: Any, small_run: Path) -> None:
    page = write_report(small_run)
    shades = {}
    for theme in ("light", "dark"):
        visit(browser, page, 1200, theme)
        colours = browser.execute_script(
            "return [getComputedStyle(document.querySelector('.figure text')).fill,"
            " getComputedStyle(document.querySelector('section')).backgroundColor]"
        )
        shades[theme] = [sum(map(int, colour[4:-1].split(","))) / 3 for colour in colours]
    assert shades["light"][0] < shades["light"][1] - 100  # dark letters on a light card
    assert shades["dark"][0] > shades["dark"][1] + 100


def test_a_run_that_failed_renders_too(browser: Any, small_run: Path) -> None:
    for name in ("metrics.json", "metrics.csv", "draws.csv"):
        (small_run / name).unlink()
    shutil.rmtree(small_run / "test")
    page = write_report(small_run)
    visit(browser, page, 390)
    assert browser.get_log("browser") == []
    assert requested(browser) == {page.as_uri()}
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
