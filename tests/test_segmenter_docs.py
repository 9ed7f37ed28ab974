"""docs/segmenters.md tells of every option of the group `segmenter`, with its defaults as they are."""

import re
from pathlib import Path

import pytest

from segtrain.config import config_dir, options

PAGE = Path(__file__).parent.parent / "docs" / "segmenters.md"


def rows(name: str) -> list[str]:
    """Give what the table of an option has to say: a row for each key, as in its YAML."""
    lines = (config_dir() / "segmenter" / f"{name}.yaml").read_text().splitlines()
    matches = [re.fullmatch(r"(\w+): (.*?)  # (.*)", line) for line in lines if not line.startswith(("#", "_target_"))]
    assert all(matches), f"{name}: a key without a comment"
    return [f"| `{match[1]}` | `{match[2]}` | {match[3]} |" for match in matches if match]


@pytest.mark.parametrize("name", options("segmenter"))
def test_the_page_has_a_section_for_every_option(name: str) -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE))
    assert name in sections
    told = [line for line in sections[name].splitlines() if line.startswith("| `")]
    assert told == rows(name)
    assert "Costs: " in sections[name]
