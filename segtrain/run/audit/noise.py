"""noise.csv: how much of each kind of noise the labels have, as a whole and of each annotator or folder."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from segtrain.audit import Diagnosis, Interval, named
from segtrain.audit.evidence import ConfidentLearning, Evidence
from segtrain.audit.parties import Accord, parties_of
from segtrain.data.source import Source
from segtrain.run.audit.study import Learned

__all__ = ["noise_table", "party_sentences"]

ALL = "all"


class Relation(NamedTuple):
    """What can set a party apart from the others."""

    kind: str
    unit: str
    sentence: str
    form: str
    """Of a limit."""


RELATIONS = {
    "outside": Relation(
        "outside the others' outlines",
        "pixels",
        "outlines lie {amount:.1f} pixels farther {side} than the others'",
        ".1f",
    ),
    "missing": Relation(
        "missing beside the others", "share of the objects", "{amount:.1%} of the others' objects are missing", ".1%"
    ),
    "extra": Relation(
        "extra beside the others", "share of the objects", "{amount:.1%} of the objects are not the others'", ".1%"
    ),
}


def noise_table(
    learned: Learned, source: Source, rows: Sequence[int], classes: Sequence[str], evidence: Mapping[str, Evidence]
) -> pd.DataFrame:
    """Give a row for each party, class and kind of noise.

    Its columns: party, class, kind, value, low, high (95 % limits), unit, found (it is for certain), why.

    Args:
        learned: what the sample taught.
        source: all samples.
        rows: those of the sample.
        classes: names.
        evidence: that has judged all labels.
    """
    found = list(_diagnosed(ALL, learned.diagnosis, classes))
    for name, party in parties_of(learned.survey, _members(source, rows), learned.confidence).items():
        found += _diagnosed(name, party.diagnosis, classes)
        found += [_row(name, classes[k], "outside", beside) for k, beside in enumerate(party.beside)]
    accord = Accord(source.annotation_names, len(classes))
    for row in rows if source.annotation_names else ():
        accord.add(source.annotations(row))
    for name in accord.names:
        for number, of in enumerate(classes):
            amounts = accord.of(name, number, learned.confidence)
            found += [_row(f"masks by {name}", of, relation, amount) for relation, amount in amounts.items()]
    for part in evidence.values():
        if isinstance(part, ConfidentLearning):
            found += _swapped(part, classes)
    columns = ["party", "class", "kind", "value", "low", "high", "unit", "found", "why"]
    return pd.DataFrame([row for row in found if np.isfinite(row["value"])], columns=columns)


def party_sentences(table: pd.DataFrame, most: int = 12) -> list[str]:
    """Say who draws farther outside or inside than the others, the farthest first.

    Args:
        table: of `noise_table`.
        most: sentences.
    """
    beside = table[(table["kind"] == RELATIONS["outside"].kind) & table["found"]]
    order = beside["value"].abs().sort_values(ascending=False).index
    return [str(why) for why in beside.loc[order[:most], "why"]]


def _members(source: Source, rows: Sequence[int]) -> dict[str, np.ndarray]:
    """Give who drew which samples of the sample, (n,) bool: annotators where they are known, else folders of images."""
    numbers = source.samples.annotator.numpy()[list(rows)]
    names = source.annotators
    if (numbers >= 0).any():
        return {f"annotator {names[n]}": numbers == n for n in np.unique(numbers[numbers >= 0])}
    ids = source.ids
    folders = np.array([ids[row].rpartition("/")[0] for row in rows])
    kinds = np.unique(folders)
    return {f"folder {name or '.'}": folders == name for name in kinds} if len(kinds) > 1 else {}


def _diagnosed(party: str, diagnosis: Diagnosis, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    for finding in diagnosis.findings:
        told = finding.as_dict()
        yield {
            "party": party,
            "class": classes[finding.number],
            "kind": finding.kind,
            "value": finding.amount.value,
            **{name: told[name] for name in ("low", "high", "unit", "found")},
            "why": named(finding.why, classes),
        }


def _swapped(joint: ConfidentLearning, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give which classes the pixels that bear each class are truly of, by the confident joint of all judged labels."""
    exclusive = joint.joint.ndim == 2
    for given, shares in joint.noise_rates.items():
        for true, share in shares.items():
            kind = f"truly {classes[true]}" if exclusive else ("truly there" if true else "truly not there")
            bearing = "without" if kind == "truly there" else "with"
            why = f"{classes[given]}: {share:.1%} of the pixels {bearing} it are {kind}"
            yield {
                "party": ALL, "class": classes[given], "kind": kind, "value": share, "low": None, "high": None,
                "unit": "share of the pixels", "found": False, "why": why,
            }  # fmt: skip


def _row(party: str, name: str, relation: str, amount: Interval) -> dict[str, Any]:
    """Give the row of what sets a party apart from the others; it is for certain where its limits leave 0 out."""
    about = RELATIONS[relation]
    low, high = (float(limit) if np.isfinite(limit) else None for limit in amount[1:])
    side = "outside" if amount.value > 0 else "inside"
    limits = "" if low is None or high is None else f" ({low:{about.form}} to {high:{about.form}})"
    why = f"{name}, {party}: {about.sentence.format(amount=abs(amount.value), side=side)}{limits}"
    return {
        "party": party, "class": name, "kind": about.kind, "value": amount.value, "low": low, "high": high,
        "unit": about.unit, "found": amount.significant, "why": why,
    }  # fmt: skip
