"""Each noise strategy has a card in docs/noise/, whose generated part is what configs, code and benchmarks say now."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from segtrain.config import options

ROOT = Path(__file__).parent.parent


def cards() -> ModuleType:
    spec = importlib.util.spec_from_file_location("method_cards", ROOT / "scripts" / "method_cards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(options("noise")))
def test_a_card_is_up_to_date_and_says_when_it_helps(name: str) -> None:
    text = (ROOT / "docs" / "noise" / f"{name}.md").read_text()
    module = cards()
    assert text.startswith(module.generated(name)), "run: python scripts/method_cards.py"
    own = text.partition(module.END)[2].partition(module.OWN_WORDS)[2]
    assert len(own.split()) >= 12


def test_there_is_no_card_without_a_strategy() -> None:
    listed = {path.stem for path in (ROOT / "docs" / "noise").glob("*.md")} - {"README"}
    assert listed == set(options("noise"))


def test_the_index_is_up_to_date() -> None:
    assert (ROOT / "docs" / "noise" / "README.md").read_text() == cards().index()


def test_the_tables_of_all_studies_are_up_to_date() -> None:
    module = cards()
    for table, page in ((module.overview(), module.BENCHMARKS / "README.md"), (module.summary(), ROOT / "README.md")):
        assert table in page.read_text(), "run: python scripts/method_cards.py"
