"""The page of one run: `report.html`, one file that opens anywhere, without a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from segtrain.picture import BACKGROUND, class_colours
from segtrain.reports import evidence, summary
from segtrain.reports.colours import CONFUSED, EXTRA, MISSED
from segtrain.reports.examples import REFINED, examples
from segtrain.reports.folder import RunFolder, read_run
from segtrain.reports.found import found
from segtrain.reports.history import charts
from segtrain.reports.refined import refined_table
from segtrain.reports.scores import Scores, read_scores
from segtrain.reports.tables import class_tables, score_table
from segtrain.reports.template import template

__all__ = ["write_report"]

_Content = TypeVar("_Content")


def write_report(run_dir: Path) -> Path:
    """Make `report.html` of a run's folder, whatever is in it so far.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    run_dir = Path(run_dir)
    page = template("run.html.j2").render(_content(read_run(run_dir)))
    written = run_dir / ".report.html.part"
    written.write_text(page, encoding="utf-8")
    return written.replace(run_dir / "report.html")


class _Part:
    """Makes the page part by part; one that cannot be made of a damaged file is named, and the rest is shown."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = list(faults)

    def __call__(self, name: str, build: Callable[..., _Content], *given: Any) -> _Content | None:
        try:
            return build(*given)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self.faults.append(f"{name} cannot be shown: {type(error).__name__}: {error}")
            return None


def _content(run: RunFolder) -> dict[str, Any]:
    """Gather all that the page shows."""
    part = _Part(run.faults)
    scores = read_scores(run.metrics, run.classes)
    content = _header(run, scores, part) | _measured(run, scores, part) | _pictures(run, scores, part)
    state, notice = summary.outcome(run)
    content |= {
        "folder": run.path.resolve().name,
        "state": state,
        "notice": notice,
        "why": _why(state),
        "charts": part("The curves", charts, run.history, run.classes, run.metrics.get("best/epoch")),
        "drawn": part("The draws", evidence.drawn, run.draws) if len(run.draws) else None,
        "revisions": run.revisions,
        "found": part("What the strategy found", found, run) if run.findings else None,
        "config": run.config,
        "command": str(run.status.get("command") or ""),
    }
    return content | {"faults": part.faults}


def _header(run: RunFolder, scores: Scores, part: _Part) -> dict[str, Any]:
    return {
        "task": str(run.config.get("task_name") or run.path.resolve().name),
        "facts": part("The header", summary.facts, run),
        "choices": part("What was chosen", summary.choices, run),
        "tiles": part("The headline", summary.tiles, run, scores),
        "selection": part("The selection", summary.selection, run),
    }


def _measured(run: RunFolder, scores: Scores, part: _Part) -> dict[str, Any]:
    matrix = None if run.confusion.get("overlapping") else run.confusion.get("matrices", {}).get("")
    refined = any(against.post for against in scores.against)
    return {
        "references": [name for name in scores.references if name],
        "scores": part("The scores", score_table, scores) if scores.means else None,
        "class_tables": part("The scores by class", class_tables, scores, run.classes, matrix),
        "confusions": part("The confusion matrix", evidence.confusions, run.confusion),
        "wide_confusions": run.overlapping or refined or len(run.classes) > 8,
        "calibrations": part("The calibration", evidence.calibrations, run.calibration, run.metrics),
        "refined": part("The post-processing", refined_table, run.images, scores.references) if refined else None,
        "spreads": part("The spread over images", evidence.spreads, run.images),
        "images": part("The table of images", evidence.image_table, run.images) if len(run.images) else None,
    }


def _pictures(run: RunFolder, scores: Scores, part: _Part) -> dict[str, Any]:
    cards = part("The examples", examples, run, [name for name in scores.references if name]) or {}
    named = [pair for pair in zip(run.classes, class_colours(run.classes), strict=True) if pair[0] != BACKGROUND]
    return {
        "examples": {kind: shown for kind, shown in cards.items() if kind not in REFINED},
        "refined_cards": {title: cards[kind] for kind, title in REFINED.items() if kind in cards},
        "any_ignored": any(card.ignored for kind in cards.values() for card in kind),
        "classes": named,
        "errors": [("missed", MISSED), ("extra", EXTRA), ("wrong class", CONFUSED)],
    }


def _why(state: str) -> str:
    """Say why something may be missing."""
    return {
        "failed": "The run failed before this was written.",
        "interrupted": "The run was interrupted before this was written.",
        "running": "The run has not come so far yet.",
    }.get(state, "")
