"""Metrics arrive where they should, and no logger can stop, stall or spoil a training."""

import csv
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from segtrain.errors import ConfigError
from segtrain.training import (
    LearningRateMonitor,
    Panel,
    SafeLogger,
    close,
    csv_logger,
    ends_truly,
    mlflow_logger,
    tensorboard_logger,
    wandb_access,
    wandb_logger,
)
from segtrain.training.metrics_csv import CSVLogger
from tests.training.tiny import BATCH, IMAGES, TinyData, TinyTask, tiny_trainer

STEPS = IMAGES // BATCH
CLASSES = ["background", "cell"]


def panel(weight: bool = True) -> Panel:
    image = np.zeros((8, 8, 3), np.uint8)
    label = np.zeros((8, 8), np.uint8)
    label[0], label[1] = 1, 255
    return Panel("one", image, label, np.ones((8, 8), np.uint8), CLASSES, np.ones((8, 8)) if weight else None)


def overlapping_panel() -> Panel:
    planes = np.eye(4, 64, dtype=np.uint8).reshape(4, 8, 8)  # each another, as wandb stores equal masks once
    return Panel("two", np.zeros((8, 8, 3), np.uint8), planes[:2], planes[2:], ["lung", "heart"])


def fit(folder: Path, *loggers: Logger, **options: Any) -> None:
    trainer = tiny_trainer(folder, logger=list(loggers), max_epochs=1, **options)
    with ends_truly(trainer):
        trainer.fit(TinyTask(), datamodule=TinyData())
        trainer.test(TinyTask(), datamodule=TinyData(), verbose=False)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


# metrics.csv


def test_the_csv_lies_in_the_runs_folder(tmp_path: Path) -> None:
    fit(tmp_path, csv_logger(save_dir=str(tmp_path)))
    table = rows(tmp_path)
    assert list(table[0]) == ["epoch", "step", "train/loss", "val/dice", "test/dice"]
    assert [row["step"] for row in table] == ["1", "3", "5", "6"]
    assert [bool(row["train/loss"]) for row in table] == [True, True, True, False]
    assert [bool(row["val/dice"]) for row in table] == [False, False, True, False]
    assert [bool(row["test/dice"]) for row in table] == [False, False, False, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "metrics.csv"]


def test_one_step_is_one_row_and_new_names_are_new_columns(tmp_path: Path) -> None:
    logger = CSVLogger(str(tmp_path))
    logger.log_metrics({"train/a": 1.0, "epoch": 0}, 3)
    logger.log_metrics({"train/b": 2.5}, 3)
    logger.log_metrics({"train/a": 0.1 + 0.2}, 4)
    assert (tmp_path / "metrics.csv").read_text() == (
        "epoch,step,train/a,train/b\n0,3,1.0,2.5\n,4,0.30000000000000004,\n"
    )


def test_a_resumed_training_removes_what_was_done_in_vain(tmp_path: Path) -> None:
    first = CSVLogger(str(tmp_path))
    for step in range(5):
        first.log_metrics({"train/loss": float(step)}, step)
    second = CSVLogger(str(tmp_path))
    second.log_metrics({"val/dice": 0.5}, 2)
    second.log_metrics({"train/loss": 9.0}, 3)
    assert [(row["step"], row["train/loss"], row["val/dice"]) for row in rows(tmp_path)] == [
        ("0", "0.0", ""), ("1", "1.0", ""), ("2", "2.0", "0.5"), ("3", "9.0", ""),
    ]  # fmt: skip


def test_a_test_of_a_finished_run_removes_nothing(tmp_path: Path) -> None:
    first = CSVLogger(str(tmp_path))
    first.log_metrics({"train/loss": 1.0}, 0)
    first.log_metrics({"train/loss": 2.0}, 1)
    CSVLogger(str(tmp_path)).log_metrics({"test/dice": 0.5, "epoch": 0}, 0)
    assert [row["train/loss"] for row in rows(tmp_path)][:2] == ["1.0", "2.0"]
    assert any(row["test/dice"] == "0.5" for row in rows(tmp_path))


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,train/loss\n0,1,0.5\n0")
    CSVLogger(str(tmp_path)).log_metrics({"train/loss": 0.25}, 2)
    assert [row["train/loss"] for row in rows(tmp_path)] == ["0.5", "0.25"]


# Others


def test_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = tensorboard_logger(save_dir=str(tmp_path))
    logger.log_panels("val/panels", [panel(), overlapping_panel()], 3)
    fit(tmp_path, logger)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"train/loss", "val/dice", "test/dice"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["val/panels/0", "val/panels/1"]
    image = events.Images("val/panels/0")[0]
    assert (image.height, image.width, image.step) == (8, 5 * 8 + 4 * 2, 3)


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a key, whoever runs this test."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb config"))


def test_wandb_is_offline_without_a_key(tmp_path: Path, no_account: None) -> None:
    logger = wandb_logger(save_dir=str(tmp_path))
    logger.log_panels("val/panels", [panel(), overlapping_panel()], 3)
    fit(tmp_path, logger)
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    assert next(run.glob("*.wandb")).stat().st_size > 0
    masks = list((run / "files").rglob("*.mask.png"))
    assert len(masks) == 3 + 5  # label, prediction, errors; and label and prediction of each class, errors
    assert "WANDB_MODE" not in os.environ
    import wandb

    assert wandb.run is None  # finished


def test_wandb_that_does_not_answer_is_offline_soon(
    tmp_path: Path, no_account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound, and not listening: nothing answers there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        assert not wandb_access.reachable()


def test_wandb_is_online_with_a_key_and_a_server(
    tmp_path: Path, no_account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert not wandb_access.reachable()
        (tmp_path / "no netrc").write_text("machine 127.0.0.1\nlogin user\npassword secret\n")
        assert wandb_access.reachable()


def test_wandb_whose_server_fails_goes_on_offline(
    tmp_path: Path, no_account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    init = wandb.init

    def failing(**options: Any) -> Any:
        if options["mode"] == "online":
            raise wandb.errors.CommError("no answer")
        return init(**options)

    monkeypatch.setattr(wandb, "init", failing)
    logger = wandb_logger(save_dir=str(tmp_path), mode="online")
    with pytest.warns(UserWarning, match="logged offline"):
        logger.log_metrics({"train/loss": 1.0}, 0)
    close([logger], 1)
    assert not logger.failed
    assert list((tmp_path / "wandb").glob("offline-run-*"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own use of SQLAlchemy is deprecated in many ways
def test_mlflow(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    logger = mlflow_logger(save_dir=str(tmp_path / "run"), tracking_uri=uri)
    logger.log_panels("val/panels", [panel()], 3)
    fit(tmp_path, logger)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("segtrain")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "run"
    assert {"train/loss", "val/dice", "test/dice"} <= set(run.data.metrics)
    assert list((tmp_path / "outputs" / "mlartifacts").rglob("*.png"))
    assert not (tmp_path / "mlruns").exists()


def test_mlflow_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from segtrain.training import loggers

    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'segtrain-lightning\[mlflow\]'"):
        mlflow_logger()


# Failure


class Failing(Logger):
    """Fail in everything but these."""

    def __init__(self, *works: str) -> None:
        super().__init__()
        self.works = works
        self.calls: list[str] = []

    name = version = property(lambda self: self._call("name"))  # type: ignore[assignment]

    def _call(self, what: str) -> str:
        self.calls.append(what)
        if what not in self.works:
            raise ConnectionError(f"{what} failed")
        return what

    @property
    def experiment(self) -> str:
        return self._call("experiment")

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._call("log_metrics")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        self._call("log_hyperparams")

    def save(self) -> None:
        self._call("save")

    def finalize(self, status: str) -> None:
        self._call("finalize")


@pytest.mark.parametrize(
    "works",
    [(), ("experiment",), ("experiment", "log_hyperparams", "log_metrics"), ("experiment", "log_metrics", "save")],
)
def test_a_failing_logger_warns_once_and_the_training_goes_on(tmp_path: Path, works: tuple[str, ...]) -> None:
    failing = Failing(*works)
    safe = SafeLogger("some", lambda: failing, save_dir=str(tmp_path), finish=lambda logger, _: logger.finalize("x"))
    with pytest.warns(UserWarning, match="some logger failed") as caught:
        fit(tmp_path, safe, csv_logger(save_dir=str(tmp_path)))
    assert len([warning for warning in caught if "logger failed" in str(warning.message)]) == 1
    assert safe.failed
    assert sum(call not in works for call in failing.calls) == 1  # never asked again
    assert rows(tmp_path)[-1]["test/dice"]


def test_a_logger_that_cannot_be_made(tmp_path: Path) -> None:
    def broken() -> Logger:
        raise OSError("disk quota exceeded")

    safe = SafeLogger("some", broken, save_dir=str(tmp_path))
    with pytest.warns(UserWarning, match="disk quota exceeded"):
        fit(tmp_path, safe)


def test_only_the_first_process_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_lightning.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = csv_logger(save_dir=str(tmp_path))
    logger.log_metrics({"train/loss": 1.0}, 0)
    assert not list(tmp_path.iterdir())


def test_the_run_is_told_how_the_training_ended(tmp_path: Path) -> None:
    class Dies(pl.Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            raise RuntimeError("a mistake")

    told: list[int] = []
    for callbacks in ([], [Dies()]):
        inner = CSVLogger(str(tmp_path))
        safe = SafeLogger("some", lambda inner=inner: inner, save_dir=str(tmp_path), finish=lambda _, c: told.append(c))
        trainer = tiny_trainer(tmp_path, logger=[safe], max_epochs=1, callbacks=callbacks, enable_checkpointing=False)
        try:
            with ends_truly(trainer):
                trainer.fit(TinyTask(), datamodule=TinyData())
        except RuntimeError:
            pass
    assert told == [0, 1]


# Learning rates


def test_learning_rates_are_logged_beside_the_losses(tmp_path: Path) -> None:
    logger = csv_logger(save_dir=str(tmp_path))
    monitored = [LearningRateMonitor()]
    fit(
        tmp_path,
        logger,
        callbacks=monitored,
        enable_checkpointing=False,
        accumulate_grad_batches=3,
        log_every_n_steps=1,
    )
    table = [row for row in rows(tmp_path) if row["train/loss"]]
    assert len(table) == STEPS // 3
    assert all(0 < float(row["lr"]) <= 0.05 for row in table)


def test_learning_rates_need_no_logger(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, logger=False, callbacks=[LearningRateMonitor()], enable_checkpointing=False)
    trainer.fit(TinyTask(), datamodule=TinyData())
    assert trainer.global_step == 3 * STEPS
