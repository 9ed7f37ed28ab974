"""The top of a run's page: what was run, how it ended, what it chose, and its headline numbers."""

from datetime import datetime
from typing import Any, NamedTuple

from segtrain.reports.folder import RunFolder
from segtrain.reports.scores import Against, Scores, number, spoken

__all__ = ["Fact", "Tile", "choices", "duration", "facts", "outcome", "selection", "tiles"]

_STACKING = {"loss": "Loss", "noise": "Noise strategy", "postprocess": "Post-processing", "corruption": "Corruption"}
_SINGLE = {
    "model": ("Model", ("encoder", "encoder_name", "encoder_weights", "width", "depth")),
    "data": ("Data", ("root", "size", "fit", "batch_size")),
    "optimizer": ("Optimiser", ("lr", "weight_decay")),
    "scheduler": ("Scheduler", ()),
}
_NAMED, _PARAMS = 8, 4  # classes named, and parameters of a group; all are in the configuration below
_HINTS = {
    "dice": "overlap of prediction and label; 1 is perfect",
    "iou": "overlap, counted more strictly; 1 is perfect",
    "boundary_f1": "how well the outlines agree; 1 is perfect",
    "hd95": "95 % of the outlines lie closer than this; 0 is perfect",
    "ece": "how far confidence is from being right; 0 is perfect",
}


class Fact(NamedTuple):
    """One line of the header."""

    name: str
    value: str
    detail: str = ""


class Tile(NamedTuple):
    """One headline number, and the same number against the references."""

    name: str
    value: str
    hint: str
    others: list[tuple[str, str]]


def facts(run: RunFolder) -> list[Fact]:
    """Say when, how long, where and with which version it ran."""
    status = run.status
    found = [
        Fact("Started", _moment(status.get("started"))),
        Fact("Duration", duration(status.get("started"), status.get("finished"))),
        Fact("Device", str(status.get("device") or "")),
        Fact("Seed", str(run.config["seed"]) if "seed" in run.config else ""),
        Fact("segtrain", str(status.get("version") or "")),
        Fact("Folder", run.path.resolve().name),
    ]
    return [fact for fact in found if fact.value]


def outcome(run: RunFolder) -> tuple[str, str]:
    """Say how the run ended: one word for the style sheet, one sentence for people ("" when all went well)."""
    state = str(run.status.get("status") or "unknown")
    reason = str(run.status.get("reason") or "").strip()
    code = run.status.get("exit_code")
    sentences = {
        "finished": "",
        "running": "The run had not ended when this page was written.",
        "interrupted": "The run was stopped before its end; what it had done by then is shown.",
        "failed": "The run ended with an error; what it had done by then is shown.",
    }
    sentence = sentences.get(state, "How the run ended is not known: status.json is missing or does not say it.")
    if sentence and state in sentences and code:
        sentence += f" Exit status {code}."
    return (state if state in sentences else "unknown"), "\n".join(part for part in (sentence, reason) if part)


def choices(run: RunFolder) -> list[Fact]:
    """Say what was chosen of each config group that decides the result."""
    found = []
    for group, (title, keys) in _SINGLE.items():
        node = run.config.get(group)
        if isinstance(node, dict):
            detail = ", ".join(f"{_words(key)} {_plain(node[key])}" for key in keys if node.get(key) is not None)
            found.append(Fact(title, _option(node), detail))
    trainer = run.config.get("trainer")
    if isinstance(trainer, dict) and trainer.get("max_epochs") is not None:
        precision = trainer.get("precision")
        found.append(Fact("Length", f"{trainer['max_epochs']} epochs", f"precision {precision}" if precision else ""))
    for group, title in _STACKING.items():
        if run.config.get(group) or (group in run.config and group != "corruption"):
            found.append(_stacked(title, run.config[group], run.config.get(f"{group}_weights")))
    if run.classes:
        many = "overlapping classes" if run.overlapping else "classes"
        rest = f", and {len(run.classes) - _NAMED} more" if len(run.classes) > _NAMED else ""
        found.append(Fact("Classes", f"{len(run.classes)} {many}", ", ".join(run.classes[:_NAMED]) + rest))
    order = ["Model", "Loss", "Noise strategy", "Data", "Classes", "Post-processing", "Corruption"]
    return sorted(found, key=lambda fact: order.index(fact.name) if fact.name in order else len(order))


def selection(run: RunFolder) -> str:
    """Say which epoch is best.ckpt, by which score, and on whose labels; "" when none was chosen."""
    epoch, monitor = run.metrics.get("best/epoch"), run.metrics.get("best/monitor")
    score, labels = run.metrics.get("best/score"), run.metrics.get("best/labels")
    said = [] if epoch is None else [f"epoch {epoch}"]
    if monitor:
        value = f" = {number(str(monitor).rpartition('/')[2], score)}" if isinstance(score, int | float) else ""
        said.append(f"selected by {monitor}{value}")
    if labels:
        said.append(f"judged by the {labels} labels of the validation images")
    return ", ".join(said)


def tiles(run: RunFolder, scores: Scores) -> list[Tile]:
    """Give the headline numbers: of the test, or of the best epoch's validation when nothing was tested."""
    given = Against("", post=False)
    found = []
    for metric, hint in _HINTS.items():
        values = scores.means.get(metric, {})
        raw = [against for against in scores.against if not against.post and against in values]
        if raw:
            first = given if given in raw else raw[0]
            others = [(f"vs {against.label}", number(metric, values[against])) for against in raw if against != first]
            if first != given:
                hint = f"against {first.label}; {hint}"
            found.append(Tile(spoken(metric), number(metric, values[first]), hint, others))
    score = run.metrics.get("best/score")
    if not found and isinstance(score, int | float):
        monitor = str(run.metrics.get("best/monitor") or "score")
        found.append(Tile(monitor, number(monitor.rpartition("/")[2], score), "of the best epoch, in validation", []))
    return found


def duration(started: object, finished: object) -> str:
    """Give the time between two ISO moments in words; "" when one is missing.

    >>> duration("2026-11-03T14:05:00", "2026-11-03T14:07:13")
    '2 min 13 s'
    """
    try:
        seconds = round((datetime.fromisoformat(str(finished)) - datetime.fromisoformat(str(started))).total_seconds())
    except (ValueError, TypeError):  # one is missing, or only one has a time zone
        return ""
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _moment(text: object) -> str:
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return str(text or "")


def _option(node: dict[str, Any]) -> str:
    return str(node.get("_target_") or "not named").rpartition(".")[2]


def _stacked(title: str, node: object, weights: object) -> Fact:
    if not isinstance(node, dict) or not node:
        return Fact(title, "none")
    shares = weights if isinstance(weights, dict) else {}
    names = [name if shares.get(name, 1) == 1 else f"{_plain(shares[name])} x {name}" for name in node]
    params = [
        f"{_words(key)} {_plain(value)}"
        for option in node.values()
        if isinstance(option, dict)
        for key, value in option.items()
        if value and not key.startswith("_") and not isinstance(value, dict | list)
    ]
    return Fact(title, " + ".join(names), ", ".join(params[:_PARAMS]) + (", ..." if len(params) > _PARAMS else ""))


def _words(key: str) -> str:
    return key.replace("_", " ")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
