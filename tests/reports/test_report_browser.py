"""report.html in a real browser: nothing asked of the network, no error, every picture there, at any width."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segtrain.reports import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no Chromium with its chromedriver here")

SWITCHES = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in [*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def visit(browser: Any, page: Path, width: int, theme: str = "light") -> None:
    """Open a page at a width and forget what was logged before."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.as_uri())


def requested(browser: Any) -> set[str]:
    """Give the addresses that the page asked for, but for the data within it."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return {url for url in sent if not url.startswith("data:")}


@pytest.mark.parametrize("kind", ["binary", "five", "overlapping"])
def test_it_renders_without_errors_or_requests(browser: Any, make_run: Callable[..., Path], kind: str) -> None:
    page = write_report(make_run(kind, num_examples=2))
    visit(browser, page, 1200)
    assert browser.get_log("browser") == []
    assert requested(browser) == {page.as_uri()}
    count = browser.execute_script("return [...document.querySelectorAll('main > section')].length")
    assert count == 9
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
