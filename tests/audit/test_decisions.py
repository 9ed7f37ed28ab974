"""Decisions on an audit: what a file of them has to be, and what becomes of each issue."""

import json
from pathlib import Path
from typing import Any

import pytest

from segtrain.audit.decisions import Decisions, read_decisions
from segtrain.errors import ConfigError

SUMMARY = {"data": "d1", "created": "2026-01-02", "classes": ["background", "cell"]}
ISSUES = ("a#0", "a#1", "deep/b c#d#0")
GOOD: dict[str, Any] = {
    "format": 1,
    **SUMMARY,
    "reviewer": "Ada",
    "saved": "2026-02-03",
    "decisions": {"a#0": "accept", "deep/b c#d#0": "reject"},
}


def read(content: object) -> Decisions:
    file = Path("decisions.json")
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_decisions(file, SUMMARY, ISSUES)


def test_a_good_file() -> None:
    decisions = read(GOOD)
    assert decisions.accepted == {"a#0": True, "deep/b c#d#0": False}
    assert (decisions.who, decisions.saved) == ("Ada", "2026-02-03")
    assert read({**GOOD, "reviewer": " "}).who == "a person"
    assert read({**GOOD, "decisions": {}}).accepted == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "decisions.json has the format 2, format 1 is read"),
        ({"data": "d2"}, "is about another data set than the audit"),
        ({"created": "2025"}, "is about another audit, of 2025, than this one of 2026-01-02"),
        ({"classes": ["cell"]}, "knows the classes cell, the audit background, cell"),
        ({"decisions": {"a#2": "accept"}}, "decides about a#2: the audit has no such issue"),
        (
            {"decisions": {f"x#{n}": "accept" for n in range(8)}},
            "decides about x#0, x#1, x#2, x#3, x#4 and 3 more: the audit has no such issue",
        ),
        ({"decisions": {"a#1": "maybe"}}, "decides about a#1: accept or reject it"),
        ({"decisions": {"a#1": []}}, "decides about a#1: accept or reject it"),
        ({"decisions": []}, "it lacks decisions"),
        ({"saved": None}, "it lacks saved"),
    ],
)
def test_a_file_that_does_not_fit(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read({**GOOD, **changes})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(GOOD)[:70], "not valid JSON"),
        ("", "not valid JSON"),
        ("[]", "is no file of decisions"),
        ("{}", "is no file of decisions"),
    ],
)
def test_a_file_that_is_none(content: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(content)


def test_bytes_that_are_no_text_and_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_decisions(tmp_path / "x", SUMMARY, ISSUES)
    for file in (tmp_path / "y", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_decisions(file, SUMMARY, ISSUES)


def test_a_persons_word_stands_before_the_score() -> None:
    decisions = Decisions({"a": True, "b": False}, above=0.5)
    scores = {"a": 0.1, "b": 0.99, "c": 0.5, "d": 0.49}
    verdicts = [decisions.verdict(name, score) for name, score in scores.items()]
    assert verdicts == ["person", "rejected", "model", "open"]
    assert Decisions().verdict("c", 1.0) == "open"
    assert Decisions(above=0.0).verdict("c", 0.0) == "model"
