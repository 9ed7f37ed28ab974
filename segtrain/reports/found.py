"""What a strategy found out about the labels: its sentences, the amounts of each kind of noise, and where it shows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from segtrain.reports import figures
from segtrain.reports.examples import Example, examples
from segtrain.reports.folder import RunFolder
from segtrain.reports.history import Chart

__all__ = ["Found", "found"]


class Found(NamedTuple):
    """A section of the page."""

    epoch: int
    sentences: list[str]
    charts: list[Chart]
    cards: dict[str, list[Example]]


def found(run: RunFolder) -> Found:
    """Read what `findings/findings.json` says."""
    content = run.findings
    diagnosis = content.get("diagnosis") or {}
    return Found(
        int(content["epoch"]),
        [str(sentence) for sentence in content["sentences"]],
        _charts(diagnosis.get("findings") or [], run.classes, bool(diagnosis.get("calibrated"))),
        examples(run, [], "findings"),
    )


def _charts(findings: Sequence[Mapping[str, Any]], classes: list[str], calibrated: bool) -> list[Chart]:
    """Draw one figure for each unit; kinds of which nothing is known are left out."""
    note = "" if calibrated else "There are no clean samples: the model's own error is included."
    known = [finding for finding in findings if finding["value"] is not None]
    units = dict.fromkeys("pixels" if finding["unit"] == "pixels" else "per cent" for finding in known)
    return [
        Chart(f"Noise of the training labels, in {unit}", figures.amounts(_rows(known, classes, unit), unit), [], note)
        for unit in units
    ]


def _rows(
    findings: Sequence[Mapping[str, Any]], classes: list[str], unit: str
) -> list[tuple[str, float, float, float, bool]]:
    factor = 1.0 if unit == "pixels" else 100.0
    rows = []
    for finding in findings:
        mirrored = finding["kind"] == "tight" and not finding["found"]  # "wide" with the other sign
        if (finding["unit"] == "pixels") == (unit == "pixels") and not mirrored:
            low, high = (
                factor * (sign * np.inf if finding[end] is None else finding[end])
                for end, sign in (("low", -1), ("high", 1))
            )
            number = finding["class"]
            name = classes[number] if number < len(classes) else f"class {number}"
            rows.append((f"{name}: {finding['kind']}", factor * finding["value"], low, high, bool(finding["found"])))
    return rows
