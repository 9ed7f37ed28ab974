"""docs/postprocess.md says of each option what configs/postprocess says."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from segtrain.config import options

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "postprocess.md").read_text()
NAMES = sorted(options("postprocess"))


def test_the_table_lists_every_option_and_no_other() -> None:
    assert sorted(re.findall(r"^\| \[(\w+)\]\(#\1\) \|", PAGE, re.MULTILINE)) == NAMES
    assert sorted(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_option_is_described_with_its_defaults(name: str) -> None:
    text = (ROOT / "configs" / "postprocess" / f"{name}.yaml").read_text()
    assert f"| [{name}](#{name}) | {text.splitlines()[0].removeprefix('# ')} |" in PAGE
    section = re.split(r"^##+ ", PAGE.partition(f"\n### {name}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    parameters = {key: value for key, value in (yaml.safe_load(text) or {name: {}})[name].items() if key != "_target_"}
    shown = {key: str(value).lower() if isinstance(value, bool) else value for key, value in parameters.items()}
    written = re.findall(r"`(\w+)=([^`]+)`", section.strip().splitlines()[0])
    assert written == [(key, "null" if value is None else str(value)) for key, value in shown.items()]
    assert len(section.split()) >= 5
