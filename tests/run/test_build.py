"""Every option of every group builds into a training, and the debug recipes run."""

import json
from pathlib import Path

import pytest
import torch

from segtrain import run
from segtrain.config import options
from segtrain.errors import ConfigError
from segtrain.run.build import build, plan
from segtrain.training import SemanticTask
from tests.small import small_config

GROUPS = (
    "augmentation", "callbacks", "corruption", "debug", "logger", "loss", "noise", "optimizer", "postprocess",
    "proposals", "scheduler", "task",
)  # fmt: skip
FINISHED = ("postprocess", "auto")
"""What is chosen for a run after it has ended."""
CHOICES = [choice for group in GROUPS for option in sorted(options(group)) if (choice := (group, option)) != FINISHED]


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_it_builds(tmp_path: Path, group: str, option: str) -> None:
    classes = ["data.classes=[background,round,spindle]"] if option in ("swap_class", "class_flip") else []
    parts = build(small_config(f"{group}={option}", *classes, "model.dropout=0.1"), tmp_path)
    assert isinstance(parts.task, SemanticTask)
    batch = next(iter(parts.data.evaluation_loader("val")))
    assert parts.task.predict_cases(batch)[0].probs.isfinite().all()


def test_what_belongs_to_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="postprocess=auto belongs to a finished run"):
        build(small_config("postprocess=auto"), tmp_path)


@pytest.mark.parametrize("option", ["default", "cpu"])
def test_a_trainer_builds(tmp_path: Path, option: str) -> None:
    assert build(small_config(f"trainer={option}"), tmp_path).trainer.max_epochs == 3


@pytest.mark.parametrize("option", ["fast", "profile"])
def test_a_debug_recipe_runs(tmp_path: Path, option: str) -> None:
    small = ["trainer.max_epochs=1", "trainer.limit_train_batches=2"]
    assert "test/dice" in run.train(small_config(f"debug={option}", *small), tmp_path / "run")


def test_overfitting_sees_the_same_images_again_and_again(tmp_path: Path) -> None:
    run.train(small_config("debug=overfit", "trainer.max_epochs=3", "model.width=8"), tmp_path / "run")
    rows = [line.split(",") for line in (tmp_path / "run" / "draws.csv").read_text().splitlines()[1:]]
    assert sorted(int(count) for _, count in rows) == [0] * 8 + [3] * 4


def test_the_loss_is_the_weighted_sum() -> None:
    both = plan(small_config("loss=[dice,bce]", "+loss_weights.dice=0.25")).criterion
    dice, bce = (plan(small_config(f"loss={name}")).criterion for name in ("dice", "bce"))
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 2, 8, 8, generator=generator), torch.rand(2, 1, 8, 8, generator=generator)
    given = (logits, torch.cat([target, 1 - target], dim=1), torch.ones(2, 8, 8))
    assert both(*given).item() == pytest.approx(0.25 * dice(*given).item() + bce(*given).item(), rel=1e-5)


def test_the_encoder_learns_at_its_own_rate_or_not_at_all(tmp_path: Path) -> None:
    slow = build(small_config("model=unet", "task.encoder_lr_factor=0.1"), tmp_path / "slow")
    slow.task.trainer = slow.trainer
    slow.task.scheduler = None
    optimizer = slow.task.configure_optimizers()
    rates = {group["name"].partition("/")[0]: group["lr"] for group in optimizer.param_groups}
    assert rates["encoder"] == pytest.approx(0.1 * rates["rest"])
    frozen = build(small_config("model=unet", "task.freeze_encoder=true"), tmp_path / "frozen").task
    trainable = {name.split(".")[1] for name, p in frozen.named_parameters() if p.requires_grad}
    assert "encoder" not in trainable
    assert "decoder" in trainable


def test_predict_with_ema_delivers_the_average(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run.train(small_config("callbacks=[best,ema]", "task.predict_with=ema"), folder)
    checkpoint = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["delivers"] == "ema."
    assert "test/dice" in json.loads((folder / "metrics.json").read_text())


def test_predict_with_ema_without_ema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="add ema to callbacks"):
        run.train(small_config("task.predict_with=ema"), tmp_path / "run")


def test_a_training_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs an end"):
        run.train(small_config("trainer.max_epochs=-1"), tmp_path / "run")
