"""Laws that every piece of evidence obeys: each runs over every option of configs/evidence."""

import copy
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from segtrain.audit.evidence import Evidence, Look
from segtrain.types import IGNORE
from tests.audit.evidence.looks import another, probs_of, scene

GROUP = Path(__file__).parents[2] / "configs" / "evidence"
OPTIONS = sorted(path.stem for path in GROUP.glob("*.yaml"))
SAMPLE = 12


def read(option: str) -> dict[str, Any]:
    return dict(yaml.safe_load((GROUP / f"{option}.yaml").read_text()))


def look_of(seed: int, overlapping: bool, wrong: bool = False) -> Look:
    """Give an image whose colours, features, passes, epochs, teacher and annotators all tell the truth of it."""
    rng = np.random.default_rng(seed)
    truth = scene(seed, side=96, overlapping=overlapping)
    label = another(truth) if wrong else truth
    classes = truth if truth.ndim == 2 else truth[0] + 2 * truth[1]
    levels = np.where(truth == IGNORE, 0, truth) if truth.ndim == 2 else np.where(classes > 3, 0, classes)
    image = (40 * levels + rng.normal(60, 3, levels.shape)).clip(0, 255).astype(np.uint8)[..., None]
    features = np.eye(4)[levels[::2, ::2]].transpose(2, 0, 1) + rng.normal(0, 0.1, (4, 48, 48))
    believed = [probs_of(truth, sure) for sure in (0.7, 0.8, 0.9)]
    return Look(
        image,
        label,
        believed[-1],
        features=features.astype(np.float32),
        passes=np.stack(believed),
        snapshots=np.stack(believed),
        teacher=believed[1],
        annotations=(truth, truth.copy()),
    )


def learned(option: str, overlapping: bool, order: int = 1) -> Evidence:
    evidence: Evidence = instantiate(read(option)[option])
    for seed in range(SAMPLE)[::order]:
        evidence.learn(look_of(seed, overlapping))
    evidence.settle()
    return evidence


@pytest.mark.parametrize("option", OPTIONS)
def test_one_key_of_its_own_name_and_every_parameter_with_its_default(option: str) -> None:
    assert list(read(option)) == [option]
    node = read(option)[option]
    module, name = node.pop("_target_").rsplit(".", 1)
    parameters = inspect.signature(getattr(import_module(module), name)).parameters
    assert node == {key: parameter.default for key, parameter in parameters.items()}


@pytest.mark.parametrize("option", OPTIONS)
def test_what_it_needs_is_a_field_of_a_look(option: str) -> None:
    assert instantiate(read(option)[option]).needs <= set(Look._fields)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("overlapping", [False, True], ids=["exclusive", "overlapping"])
class TestLaws:
    def test_doubt_has_the_form_of_the_label_and_none_is_in_ignored_pixels(
        self, option: str, overlapping: bool
    ) -> None:
        evidence = learned(option, overlapping)
        for wrong in (False, True):
            look = look_of(100, overlapping, wrong)
            doubt = evidence(look)
            assert doubt.shape == look.label.shape
            assert doubt.dtype == np.float32
            assert np.isfinite(doubt).all()
            assert ((doubt >= 0) & (doubt <= 1)).all()
            assert not doubt[~look.valid].any()

    def test_a_label_that_is_wrong_everywhere_is_more_doubtful(self, option: str, overlapping: bool) -> None:
        evidence = learned(option, overlapping)
        right, wrong = (look_of(101, overlapping, wrong) for wrong in (False, True))
        assert evidence(wrong)[wrong.valid].mean() > evidence(right)[right.valid].mean() + 0.2

    def test_the_look_stays_as_it_is(self, option: str, overlapping: bool) -> None:
        look = look_of(102, overlapping)
        before = copy.deepcopy(look)
        evidence = learned(option, overlapping)
        evidence.learn(look)
        evidence.settle()
        evidence(look)
        for field, was in zip(look, before, strict=True):
            assert np.array_equal(field, was)  # type: ignore[arg-type]

    def test_the_same_sample_gives_the_same_doubt_in_any_order(self, option: str, overlapping: bool) -> None:
        look = look_of(103, overlapping, wrong=True)
        first, second, backward = (learned(option, overlapping, order) for order in (1, 1, -1))
        assert np.array_equal(first(look), second(look))
        assert np.array_equal(first(look), first(look))
        assert np.allclose(first(look), backward(look), atol=1e-5)

    def test_a_label_without_a_valid_pixel_is_not_doubted(self, option: str, overlapping: bool) -> None:
        look = look_of(104, overlapping)
        evidence = learned(option, overlapping)
        ignored = look._replace(label=np.full_like(look.label, IGNORE))
        evidence.learn(ignored)
        evidence.settle()
        assert not evidence(ignored).any()

    def test_labels_of_any_size_are_judged(self, option: str, overlapping: bool) -> None:
        evidence, look = learned(option, overlapping), look_of(105, overlapping)
        for height, width in ((1, 1), (7, 96), (50, 33)):
            cut: dict[str, Any] = {
                name: getattr(look, name)[..., :height, :width]
                for name in ("label", "probs", "passes", "snapshots", "teacher")
            }
            part = look._replace(
                **cut,
                image=look.image[:height, :width],
                annotations=tuple(each[..., :height, :width] for each in look.annotations),
            )
            assert evidence(part).shape == part.label.shape
