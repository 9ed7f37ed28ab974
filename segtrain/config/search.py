"""Search ranges: which values a tuner may try, written as Hydra's sweeps are: tag(log, int(interval(4, 400)))."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
from hydra.errors import HydraException

from segtrain.config.kinds import refusal, shown, suggestion
from segtrain.config.signatures import UnknownTargetError, signature

__all__ = ["Span", "quoted", "read_span", "search_faults"]

_WORDS = "interval(0.1, 0.9), int(interval(1, 9)), tag(log, interval(0.1, 10)), range(1, 9, 2) or choice(1, 3, 9)"


class Span(NamedTuple):
    """The values that a parameter may take: some, or all between two."""

    choices: list[Any]
    """Empty = those from `low` to `high`, both included."""
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    """Ratios count, not differences."""

    @property
    def is_int(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float)

    @property
    def ends(self) -> list[Any]:
        """Values that a parameter's type can be checked by."""
        return self.choices or [self.low, self.high]


def read_span(text: str) -> Span:
    """Read a range; `range(1, 9, 2)` leaves its end out, as Python's does, an interval does not.

    Raises:
        ValueError: it is none; the text says what is legal.
    """
    try:
        value = OverridesParser.create().parse_override(f"range={text}").value()
    except HydraException:
        value = None
    match value:
        case ChoiceSweep(list=values) if values:
            return Span([getattr(item, "text", item) for item in values])
        case IntervalSweep(start=low, end=high, tags=tags) if low is not None and high is not None and low < high:
            if "log" not in tags or low > 0:
                return Span([], low, high, log="log" in tags)
        case RangeSweep(start=low, stop=stop, step=step) if (
            low is not None and stop is not None and 0 < step < stop - low
        ):
            count = -int(-(stop - low) // step) - 1
            return Span([], low, low + count * step, step)
    raise ValueError(f"{_WORDS} expected, got {shown(text)}")


def quoted(override: str) -> str:
    """Let `search.crf.iterations=choice(1,5)` say what it means: a range that is kept, not a sweep of this command."""
    key, _, value = override.partition("=")
    return f"++{key}={value}" if value[:1] in "'\"{" or "(" not in value else f"++{key}='{value}'"


def search_faults(tree: dict[str, Any], names: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with the `search` of a tuner's config.

    Args:
        tree: the config as plain dicts; `search` is option -> parameter -> range.
        names: the options that there are.
    """
    search, chosen = tree.get("search"), tree.get("postprocess")
    if not isinstance(search, dict) or not isinstance(chosen, dict):
        return
    for step, spans in search.items():
        if step not in names and step not in chosen:
            yield f"search.{step}: there is no such option{suggestion(step, list(names))}"
        elif not isinstance(spans, dict):
            yield f"search.{step}: parameters with their ranges expected, got {shown(spans)}"
        else:
            for name, text in spans.items():
                if fault := _fault(chosen.get(step), name, text):
                    yield f"search.{step}.{name}: {fault}"


def _fault(node: Any, name: str, text: Any) -> str | None:
    """Say what is wrong with one range; null means that the parameter stays as it is."""
    if text is None:
        return None
    try:
        span = read_span(str(text))
        if not isinstance(node, dict) or "_target_" not in node:  # not selected
            return None
        taken = signature(node["_target_"])
    except ValueError as error:
        return str(error)
    except UnknownTargetError:  # told in its own place
        return None
    if name not in taken.parameters:
        return f"{node['_target_']} takes no '{name}'{suggestion(name, list(taken.parameters))}"
    return next((fault for end in span.ends if (fault := refusal(end, taken.parameters[name].kind))), None)
