"""Raw and post-processed side by side: means, paired changes, and the cards that show them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segtrain.reports import write_report
from segtrain.reports.examples import examples
from segtrain.reports.folder import read_run
from segtrain.reports.refined import refined_table


def scores(**changed: list[float]) -> pd.DataFrame:
    plain = {"dice": [0.8, 0.6, 0.7, 0.9], "iou": [0.7, 0.5, 0.6, 0.8], "boundary_f1": [0.5] * 4, "hd95": [9.0] * 4}
    return pd.DataFrame({**plain, **{f"{name}@post": values for name, values in plain.items()}, **changed})


def test_changes_are_paired_and_coloured_where_they_are_sure() -> None:
    gained = {
        "dice@post": [0.82, 0.61, 0.73, 0.92],
        "hd95@post": [7.0, 8.0, 8.5, 7.5],
        "iou@post": [0.8, 0.4, 0.6, 0.8],
    }
    table = refined_table(scores(**gained), [""])
    assert [row.name for row in table.rows] == [
        "Dice, mean over images", "IoU, mean over images", "Boundary F1", "HD95 (pixels)",
    ]  # fmt: skip
    dice, iou, boundary, distance = (row.cells for row in table.rows)
    assert [cell.text for cell in dice[:3]] == ["0.750", "0.770", "+0.020"]
    assert (dice[2].kind, iou[2].kind, boundary[2].kind, distance[2].kind) == ("better", "", "", "better")
    assert distance[2].text == "-1.2"
    low, high = (float(end) for end in dice[3].text.split(" to "))
    assert 0.01 <= low < 0.02 < high <= 0.03


def test_an_image_counts_where_both_have_a_score() -> None:
    table = refined_table(scores(**{"dice@post": [0.9, np.nan, 0.7, 0.9]}), [""])
    assert [cell.text for cell in table.rows[0].cells[:3]] == ["0.800", "0.833", "+0.033"]


def test_labels_without_post_processing_are_left_out_and_no_change_is_said() -> None:
    table = refined_table(scores(), ["", "expert"])
    assert [group.label for group in table.groups] == ["vs given label"]
    assert "changed no image" in table.note


def test_cards_compare_the_raw_with_the_post_processed(make_run: Callable[..., Path]) -> None:
    cards = examples(read_run(make_run(num_examples=1, side=64)), ["clean", "expert"])
    for kind in ("helped", "harmed"):
        (card,) = cards[kind]
        titles = [(pair.title, pair.below) for pair in card.pairs]
        assert titles[0] == ("image", "given label")
        assert titles[1:] == [(name, "errors vs given label") for name in ("raw prediction", "post-processed")]
        assert card.pairs[1].layer != card.pairs[2].layer
        assert card.pairs[2].score.startswith("Dice 0.")


@pytest.mark.parametrize("post", [True, False])
def test_the_page_has_the_section_where_there_is_something_to_compare(
    make_run: Callable[..., Path], post: bool
) -> None:
    page = write_report(make_run(post=post, num_examples=1, side=64)).read_text()
    assert ('<section id="postprocess">' in page) == post
    assert ("Where post-processing helps most" in page) == post
