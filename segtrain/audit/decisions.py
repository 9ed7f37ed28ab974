"""What people decided about an audit's issues: a file that its page saves, checked against the audit before use."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from segtrain.errors import ConfigError

__all__ = ["FORMAT", "Decisions", "Verdict", "read_decisions"]

FORMAT = 1
"""Of the file."""
_SHOWN = 5
_KEYS = {"data": str, "created": str, "classes": list, "reviewer": str, "saved": str, "decisions": dict}

Verdict = Literal["person", "model", "rejected", "open"]
"""What becomes of an issue: accepted by a person, accepted by its score alone, rejected by a person, or undecided."""


class Decisions(NamedTuple):
    """Who accepted or rejected which issues, and from which score on others are accepted."""

    accepted: Mapping[str, bool] = {}
    """Issue "<id>#<n>" -> whether a person accepted it; the others are undecided."""
    reviewer: str = ""
    saved: str = ""
    """ISO time; "" where no person decided."""
    above: float | None = None
    """Undecided issues with a score at least this high are accepted; None = none of them."""

    @property
    def who(self) -> str:
        """Whom to name for a person's decision."""
        return self.reviewer.strip() or "a person"

    def verdict(self, issue: str, score: float) -> Verdict:
        """Say what becomes of an issue; a person's word always stands before the score.

        >>> decisions = Decisions({"a#0": False}, above=0.5)
        >>> decisions.verdict("a#0", 0.9), decisions.verdict("a#1", 0.5), decisions.verdict("a#2", 0.4)
        ('rejected', 'model', 'open')
        """
        if issue in self.accepted:
            return "person" if self.accepted[issue] else "rejected"
        return "model" if self.above is not None and score >= self.above else "open"


def read_decisions(file: Path, summary: Mapping[str, Any], issues: Collection[str]) -> Decisions:
    """Read the decisions on an audit.

    Args:
        file: as the audit's page saves it.
        summary: of the audit.
        issues: names of all of its issues.

    Raises:
        ConfigError: the file cannot be read, or belongs to other data or to another audit.
    """
    content = _content(file)
    wrong = {
        "data": "is about another data set than the audit",
        "created": f"is about another audit, of {content['created']}, than this one of {summary['created']}",
        "classes": f"knows the classes {', '.join(map(str, content['classes']))}, the audit "
        f"{', '.join(map(str, summary['classes']))}",
    }
    expected = {**summary, "classes": [str(name) for name in summary["classes"]]}
    for key, fault in wrong.items():
        if content[key] != expected[key]:
            raise ConfigError(f"{file} {fault}: save the decisions anew from this audit's own page.")
    given = content["decisions"]
    _refuse(file, [name for name in given if name not in issues], "the audit has no such issue")
    _refuse(file, [name for name, word in given.items() if word not in ("accept", "reject")], "accept or reject it")
    return Decisions({name: word == "accept" for name, word in given.items()}, content["reviewer"], content["saved"])


def _content(file: Path) -> dict[str, Any]:
    anew = "save it anew from the audit's page"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"decisions={file} cannot be read: {error.strerror}.") from None
    except ValueError:  # also what is no UTF-8
        raise ConfigError(f"{file} is no complete file of decisions (it is not valid JSON): {anew}.") from None
    if not isinstance(content, dict) or "format" not in content:
        raise ConfigError(f"{file} is no file of decisions: {anew}.")
    if content["format"] != FORMAT:
        raise ConfigError(f"{file} has the format {content['format']}, format {FORMAT} is read: {anew}.")
    lacking = [key for key, kind in _KEYS.items() if not isinstance(content.get(key), kind)]
    if lacking:
        raise ConfigError(f"{file} is no complete file of decisions, it lacks {', '.join(lacking)}: {anew}.")
    return content


def _refuse(file: Path, names: list[str], why: str) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise ConfigError(f"{file} decides about {', '.join(names[:_SHOWN])}{more}: {why}.")
