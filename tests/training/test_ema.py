"""The averaged weights follow the formula, live beside the trained ones, and are never swapped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from segtrain.errors import ConfigError
from segtrain.training import EMA, BestCheckpoint, LastCheckpoint, Seeding, read_checkpoint
from tests.training.tiny import BATCH, IMAGES, TinyData, TinyTask, tiny_trainer

STEPS = IMAGES // BATCH


class Trail(pl.Callback):
    """Keep what the weights were after each optimiser step."""

    def __init__(self) -> None:
        self.states: list[dict[str, np.ndarray]] = []
        self.step = 0

    def _note(self, task: Any) -> None:
        self.states.append({name: value.clone().numpy() for name, value in task.model.state_dict().items()})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._note(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if trainer.global_step > self.step:
            self.step = trainer.global_step
            self._note(pl_module)


def fit(folder: Path, *callbacks: pl.Callback, ckpt: Path | None = None, **options: Any) -> TinyTask:
    task = TinyTask()
    trainer = tiny_trainer(folder, callbacks=[Seeding(0), *callbacks], logger=False, **options)
    trainer.fit(task, datamodule=TinyData(), ckpt_path=ckpt, weights_only=True)
    return task


@pytest.mark.parametrize(("every", "accumulate"), [(1, 1), (2, 1), (1, 2)])
def test_the_average_is_the_formulas(tmp_path: Path, every: int, accumulate: int) -> None:
    """Tarvainen and Valpola 2017 by a loop in NumPy, with the authors' ramp of the decay."""
    trail = Trail()
    task = fit(tmp_path, trail, EMA(decay=0.8, every_n_steps=every), accumulate_grad_batches=accumulate)
    expected = {name: value.astype(np.float64) for name, value in trail.states[0].items()}
    for update, state in enumerate(trail.states[every::every], start=1):
        alpha = min(1 - 1 / (update + 1), 0.8)
        for name, value in state.items():
            averaged = np.issubdtype(value.dtype, np.floating)
            expected[name] = alpha * expected[name] + (1 - alpha) * value if averaged else value
    assert task.ema is not None
    for name, value in task.ema.state_dict().items():
        np.testing.assert_allclose(value.numpy(), expected[name], atol=1e-6, err_msg=name)
    assert len(trail.states) == 1 + 3 * STEPS // accumulate
    assert task.ema.state_dict()["1.num_batches_tracked"] == 3 * STEPS  # counters are copied


def test_it_resumes_to_the_same_bit(tmp_path: Path) -> None:
    unbroken = fit(tmp_path / "unbroken", EMA()).state_dict()
    fit(tmp_path / "part", EMA(), LastCheckpoint(), max_epochs=1)
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    resumed = fit(tmp_path / "part", EMA(), LastCheckpoint(), ckpt=last).state_dict()
    assert sorted(resumed) == sorted(unbroken)
    assert any(name.startswith("ema.") for name in resumed)
    assert all(torch.equal(value, resumed[name]) for name, value in unbroken.items())


class Stop(pl.Callback):
    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        if not trainer.sanity_checking:
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "within.ckpt")
            raise RuntimeError("within validation")


def test_a_checkpoint_within_validation_holds_each_under_its_own_name(tmp_path: Path) -> None:
    """Lightning's EMAWeightAveraging swaps the two there, and a resumed training goes on from the average."""
    trail = Trail()
    with pytest.raises(RuntimeError, match="within validation"):
        fit(tmp_path, trail, EMA(), Stop())
    saved: dict[str, Tensor] = read_checkpoint(tmp_path / "within.ckpt")["state_dict"]
    for name, value in trail.states[-1].items():
        assert np.array_equal(saved[f"model.{name}"].numpy(), value)
    assert not torch.equal(saved["ema.0.weight"], saved["model.0.weight"])


def test_it_is_validated_in_evaluation_mode_and_never_trained(tmp_path: Path) -> None:
    class Modes(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
            assert not any(module.training for module in pl_module.ema.modules())
            assert all(module.training for module in pl_module.model.modules())

    task = fit(tmp_path, Modes(), EMA(), BestCheckpoint(), max_epochs=2)
    assert task.ema is not None
    assert not any(parameter.requires_grad for parameter in task.ema.parameters())
    optimised = {id(p) for group in task.trainer.optimizers[0].param_groups for p in group["params"]}
    assert optimised == {id(p) for p in task.model.parameters()}


@pytest.mark.parametrize("options", [{"decay": 0.0}, {"decay": 1.0}, {"every_n_steps": 0}])
def test_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"The '{next(iter(options))}' of EMA must be"):
        EMA(**options)
