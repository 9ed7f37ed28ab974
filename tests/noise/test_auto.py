"""noise=auto: a probe, a diagnosis, and the remedy that it calls for."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import AnnotatorFusion, Auto, BiasCorrection, NoiseStrategy, PseudoLabel
from segtrain.noise.prescription import NEED_CLEAN, REMEDIES
from segtrain.types import Batch, Progress, Samples
from tests.audit.scenes import Draws, Masks, SceneView, dice, moved, scene

TRUTHS = [scene(number) for number in range(48)]


class Spy(NoiseStrategy):
    """Counts how often each hook is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def audit(self, view: SceneView, epoch: int) -> None:  # type: ignore[override]
        self.asked.append("audit")

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        self.asked.append("sample_weights")
        return torch.full((len(samples.clean),), 7.0)

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        self.asked.append("prepare")
        return batch

    def trust(self, logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        self.asked.append("trust")
        return super().trust(logits, batch, progress)

    def after_step(self, model: nn.Module) -> None:
        self.asked.append("after_step")


def auto(samples: Samples, **remedies: NoiseStrategy) -> Auto:
    chosen = {name: {name: remedies[name]} if name in remedies else {} for name in REMEDIES}
    strategy = Auto(10, 2, chosen)
    strategy.attach(nn.Conv2d(1, 2, 1), samples)
    return strategy


def audited(view: SceneView, **remedies: NoiseStrategy) -> Auto:
    strategy = auto(view.samples, **remedies)
    for epoch in range(10):
        strategy.audit(view, epoch)  # type: ignore[arg-type]
    return strategy


def forgotten(share: float) -> Draws:
    """Forget the object of this share of the pictures."""

    def draw(planes: Masks, rng: np.random.Generator) -> Masks:
        return np.zeros_like(planes) if rng.random() < share else planes

    return draw


def remedy_of(strategy: Auto) -> str:
    assert strategy.choice is not None
    return REMEDIES[strategy.choice]


def test_outlines_drawn_too_wide_are_corrected_and_it_says_so() -> None:
    view = SceneView(TRUTHS, moved(3.0, 0.3), moved(3.0, 0.3), num_clean=12)
    strategy = audited(view, correct=BiasCorrection(10, 2))
    assert remedy_of(strategy) == "correct"
    assert strategy.findings is not None
    assert "outlines lie" in strategy.findings.sentences[0]
    assert "outside the true ones" in strategy.findings.sentences[0]
    assert "wide" in strategy.findings.sentences[-1]
    assert np.mean([dice(view.after(i)[1], view.truths[i][1]) for i in range(12, 48)]) > 0.95


def test_right_labels_are_kept() -> None:
    for seed in range(3):
        truths = [scene(100 * seed + number) for number in range(48)]
        strategy = audited(SceneView(truths, moved(0.0), moved(0.5, 0.4), num_clean=12))
        assert remedy_of(strategy) == "keep"
        assert strategy.findings is not None
        assert strategy.findings.sentences[0].startswith("Nothing was found")


def test_forgotten_objects_are_taught() -> None:
    strategy = audited(SceneView(TRUTHS, forgotten(0.6), moved(0.0, 0.4), num_clean=12))
    assert remedy_of(strategy) == "teach"
    assert strategy.diagnosis is not None
    assert {finding.kind for finding in strategy.diagnosis.found()} == {"missing"}


def test_what_needs_clean_samples_is_never_chosen_without_them() -> None:
    strategy = audited(SceneView(TRUTHS, moved(3.0, 0.3), moved(3.0, 0.3), num_clean=0), correct=BiasCorrection(10, 2))
    assert remedy_of(strategy) not in NEED_CLEAN
    assert strategy.diagnosis is not None
    assert not strategy.diagnosis.calibrated


def test_samples_are_shown_that_have_what_was_found() -> None:
    view = SceneView(TRUTHS, forgotten(0.6), moved(0.0, 0.4), num_clean=12)
    findings = audited(view).findings
    assert findings is not None
    assert findings.examples
    assert all(caption == "class 1: missing" for caption, _ in findings.examples)
    assert not any(view.given(index)[1].any() for _, index in findings.examples)


def test_no_remedy_acts_in_the_probe_and_the_chosen_one_alone_after_it(batch: Batch, samples: Samples) -> None:
    keep, teach = Spy(), Spy()
    strategy = auto(samples, keep=keep, teach=teach)
    model, progress = nn.Conv2d(1, 2, 1), Progress(0, 0, 10, 10)
    noisy = (samples.labelled & ~samples.clean).float()

    def hooks() -> Tensor:
        strategy.prepare(batch, model, progress)
        strategy.trust(torch.zeros(1), batch, progress)
        strategy.after_step(model)
        return strategy.sample_weights(samples, 0)

    assert hooks().tolist() == noisy.tolist()
    assert keep.asked == teach.asked == ["after_step"]  # a teacher follows from the start
    strategy.choice = REMEDIES.index("teach")
    assert (hooks() == 7).all()
    assert keep.asked == ["after_step"] * 2
    assert teach.asked == ["after_step", "prepare", "trust", "after_step", "sample_weights"]


class CrowdView(SceneView):
    """Five others have drawn each picture that is not clean, too: by chance, now wide and now tight."""

    annotation_names = ("a", "b", "c", "d", "e")

    @property
    def samples(self) -> Samples:
        samples = super().samples
        return samples._replace(annotations=torch.where(samples.clean, 0, 5))

    @property
    def share(self) -> range:
        return range(len(self.truths))

    def annotations(self, index: int) -> dict[str, Tensor]:
        draws = [moved(0.0, 3.0)(self.truths[index], np.random.default_rng([3, index, n])) for n in range(5)]
        return {name: torch.from_numpy(drawn[1].astype(np.uint8)) for name, drawn in zip("abcde", draws, strict=True)}


def test_masks_by_several_annotators_are_made_one_first_and_the_diagnosis_is_of_that() -> None:
    view = CrowdView(TRUTHS, moved(0.0, 3.0), moved(0.0, 0.3), num_clean=12)
    before = np.mean([dice(view.given(i)[1], view.truths[i][1]) for i in range(12, 48)])
    strategy = Auto(10, 2, {name: {} for name in REMEDIES}, {"annotator_fusion": AnnotatorFusion(2)})
    strategy.attach(nn.Conv2d(1, 2, 1), view.samples)
    strategy.audit(view, 0)  # type: ignore[arg-type]
    assert sorted(view.relabelled) == list(range(12, 48))
    assert np.mean([dice(view.after(i)[1], view.truths[i][1]) for i in range(12, 48)]) > before + 0.03
    strategy.audit(view, 3)  # type: ignore[arg-type]
    assert strategy.findings is not None
    assert strategy.findings.sentences[0].startswith("36 images have masks by several annotators")


def test_without_several_masks_or_without_a_fusion_labels_stay(samples: Samples) -> None:
    for view, fusion in (
        (SceneView(TRUTHS, moved(0.0), moved(0.0)), {"annotator_fusion": AnnotatorFusion(2)}),
        (CrowdView(TRUTHS, moved(0.0), moved(0.0)), {}),
    ):
        strategy = Auto(10, 2, {name: {} for name in REMEDIES}, fusion)
        strategy.attach(nn.Conv2d(1, 2, 1), view.samples)
        strategy.audit(view, 0)  # type: ignore[arg-type]
        assert not view.relabelled


def test_it_waits_for_a_class_that_the_model_does_not_show_yet() -> None:
    blind = SceneView(TRUTHS, moved(0.0), forgotten(1.0), num_clean=12)
    strategy = auto(blind.samples)
    for epoch in range(5):
        strategy.audit(blind, epoch)  # type: ignore[arg-type]
        assert strategy.choice is None
        assert strategy.findings is None
    strategy.audit(blind, 5)  # type: ignore[arg-type]  # half of the training is over
    assert strategy.choice is not None


def test_it_is_the_same_after_a_checkpoint() -> None:
    view = SceneView(TRUTHS, forgotten(0.6), moved(0.0, 0.4), num_clean=12)
    first = audited(view)
    second = auto(view.samples)
    second.load_state_dict(first.state_dict())
    assert second.findings == first.findings
    assert second.choice == first.choice


def test_a_remedys_teacher_is_delivered() -> None:
    samples = SceneView(TRUTHS, moved(0.0), moved(0.0)).samples
    assert isinstance(auto(samples, teach=PseudoLabel(2, 10)).teacher, nn.Module)
    assert auto(samples).teacher is None


@pytest.mark.parametrize(
    ("option", "value"),
    [("epochs", 1), ("num_classes", 0), ("probe", 0.6), ("confidence", 1.0), ("remedies", {"keep": {}})],
)
def test_values_out_of_range_are_named(option: str, value: object) -> None:
    given = {"epochs": 10, "num_classes": 2, "remedies": {name: {} for name in REMEDIES}} | {option: value}
    with pytest.raises(ConfigError, match=f"The '{option}' of Auto"):
        Auto(**given)  # type: ignore[arg-type]
