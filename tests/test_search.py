"""Search ranges: Hydra's words, read and checked before anything is built."""

import pytest

from segtrain import config
from segtrain.config import Span, read_span
from segtrain.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("interval(1, 5)", Span([], 1.0, 5.0)),
        ("tag(log, int(interval(4, 400)))", Span([], 4, 400, log=True)),
        ("range(1, 8, 2)", Span([], 1, 7, 2)),
        ("range(0, 5)", Span([], 0, 4, 1)),
        ("choice(1, 5)", Span([1, 5])),
        ("choice(full, 'a b')", Span(["full", "a b"])),
    ],
)
def test_ranges(text: str, span: Span) -> None:
    assert read_span(text) == span
    assert type(read_span(text).low) is type(span.low)


@pytest.mark.parametrize(
    "text", ["7", "interval(5, 1)", "choice()", "tag(log, interval(0, 1))", "interval(1", "range(3, 2)"]
)
def test_no_ranges(text: str) -> None:
    with pytest.raises(ValueError, match="expected, got"):
        read_span(text)


def test_a_range_on_the_command_line_is_no_sweep() -> None:
    given = ["search.threshold.threshold=interval(0.2,0.4)", "search.threshold.background=choice(0,1)", "score=iou"]
    overrides = config.normalised(given)
    config.check_command("tune_postprocess", ["run=x", *overrides])
    search = config.compose_config("tune_postprocess", overrides).search
    assert search.threshold == {"threshold": "interval(0.2,0.4)", "background": "choice(0,1)"}
    off = config.compose_config("tune_postprocess", config.normalised(["search.threshold.threshold=null"])).search
    assert off.threshold.threshold is None


def test_every_fault_is_told_with_its_cure() -> None:
    overrides = [
        "score=dise", "postprocess=threshold", "search.threshold.treshold=interval(0,1)", "search.morfology.x=null",
        "search.threshold.background=interval(0,1)", "search.threshold.threshold=7", "search.morphology=3",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as error:
        config.check_command("tune_postprocess", config.normalised(overrides))
    told = "\n".join(error.value.faults)
    for said in (
        "score: one of", "takes no 'treshold', did you mean 'threshold'?", "no such option, did you mean 'morphology'?",
        "search.threshold.background: int or null expected, got 0.0", "search.threshold.threshold: interval(0.1, 0.9)",
        "run: give a run's folder", "search.morphology: parameters with their ranges expected, got 3",
    ):  # fmt: skip
        assert said in told, told
