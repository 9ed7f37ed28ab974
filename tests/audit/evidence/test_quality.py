"""The soft minimum beside cleanlab's."""

import numpy as np
import pytest
from cleanlab.segmentation.rank import get_label_quality_scores

from segtrain.audit.evidence import against, soft_minimum
from segtrain.types import IGNORE
from tests.audit.evidence.looks import another, look_at, probs_of, random_look, scene


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
def test_it_is_the_number_of_cleanlab(temperature: float) -> None:
    looks = [random_look(seed, noise=0.1 * seed) for seed in range(3)]
    labels, probs = np.stack([look.label for look in looks]), np.stack([look.probs for look in looks])
    scores, pixels = get_label_quality_scores(labels, probs, temperature=temperature, verbose=False)
    for look, score, pixel in zip(looks, scores, pixels, strict=True):
        quality = 1 - against(look.label, look.probs)
        assert np.allclose(quality, pixel, atol=1e-6)
        assert soft_minimum(pixel, temperature) == pytest.approx(score, rel=1e-9)
        assert soft_minimum(quality, temperature) == pytest.approx(score, abs=1e-5)


def test_ignored_pixels_do_not_count() -> None:
    quality = np.array([[0.2, 0.9, 0.7]])
    assert soft_minimum(np.append(quality, [[np.nan] * 3], 0)) == soft_minimum(quality)
    assert np.isnan(soft_minimum(np.full((2, 2), np.nan)))


def test_it_lies_between_the_worst_and_the_mean_and_falls_with_the_temperature() -> None:
    quality = np.random.default_rng(0).random((2, 20, 20))
    values = [soft_minimum(quality, temperature) for temperature in (1e-4, 0.1, 1.0, 1e4)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(quality.min(), abs=1e-3)
    assert values[-1] == pytest.approx(quality.mean(), abs=1e-3)


def test_a_wrong_label_is_worse() -> None:
    label = scene()
    right, wrong = (look_at(each, probs_of(label)) for each in (label, another(label)))
    qualities = [
        soft_minimum(np.where(look.label == IGNORE, np.nan, 1 - against(look.label, look.probs)))
        for look in (right, wrong)
    ]
    assert qualities[1] < qualities[0]


def test_a_temperature_of_0_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        soft_minimum(np.ones((2, 2)), 0.0)
