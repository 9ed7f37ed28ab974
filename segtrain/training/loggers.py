"""Where metrics and pictures go: a CSV, TensorBoard, Weights & Biases, MLflow. None of them can stop a training."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_warn

from segtrain.errors import ConfigError
from segtrain.training import panel_sinks
from segtrain.training.metrics_csv import CSVLogger
from segtrain.training.safe_logger import SafeLogger
from segtrain.training.wandb_access import reachable

__all__ = ["csv_logger", "mlflow_logger", "tensorboard_logger", "wandb_logger"]


def csv_logger(*, save_dir: str | None = None) -> SafeLogger:
    """Write `metrics.csv`.

    Args:
        save_dir: folder; null = the run's.
    """
    folder = save_dir or "."
    return SafeLogger("csv", lambda: CSVLogger(folder), save_dir=folder)


def tensorboard_logger(*, save_dir: str | None = None, flush_secs: int = 30) -> SafeLogger:
    """Write events for TensorBoard into `tensorboard/`.

    Args:
        save_dir: folder; null = the run's.
        flush_secs: seconds after which what was logged is on the disk at the latest.
    """
    folder = save_dir or "."

    def make() -> Logger:
        return TensorBoardLogger(folder, "tensorboard", "", default_hp_metric=False, flush_secs=flush_secs)

    return SafeLogger("tensorboard", make, save_dir=folder, draw=panel_sinks.to_tensorboard)


def wandb_logger(
    *,
    save_dir: str | None = None,
    project: str = "segtrain",
    entity: str | None = None,
    name: str | None = None,
    group: str | None = None,
    tags: list[str] | None = None,
    mode: Literal["auto", "online", "offline"] = "auto",
    timeout: int = 30,
) -> SafeLogger:
    """Log to Weights & Biases, in `wandb/`; it never asks for a key and never waits long.

    Args:
        save_dir: folder; null = the run's.
        project: where the run is filed.
        entity: user or team; null = the key's own.
        name: of the run; null = the name of its folder.
        group: runs of one group are shown together.
        tags: to find it by.
        mode: "auto" is online where there is a key and the server answers, else offline (`wandb sync` sends it later).
        timeout: seconds to wait for the server at the start, and for the upload at the end.
    """
    folder = save_dir or "."
    name = name or Path(folder).resolve().name
    options = {"project": project, "entity": entity, "name": name, "group": group, "tags": tags}

    def make() -> Logger:
        wanted = os.environ.get("WANDB_MODE") or mode
        if wanted == "auto":
            wanted = "online" if reachable() else "offline"
        try:
            return _wandb(folder, wanted, timeout, options)
        except Exception as error:
            if wanted == "offline":
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            rank_zero_warn(f"Weights & Biases cannot be used online, so this run is logged offline. ({reason})")
            return _wandb(folder, "offline", timeout, options)

    return SafeLogger("wandb", make, save_dir=folder, draw=panel_sinks.to_wandb, finish=_finish_wandb)


def _wandb(folder: str, mode: Any, timeout: int, options: dict[str, Any]) -> WandbLogger:
    import wandb  # half a second that only its users should pay

    settings = wandb.Settings(init_timeout=timeout, login_timeout=1, finish_timeout=timeout, quiet=True)
    Path(folder).mkdir(parents=True, exist_ok=True)
    run = wandb.init(dir=folder, mode=mode, settings=settings, **options)
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return WandbLogger(experiment=run, save_dir=folder, project=options["project"])


def _finish_wandb(logger: WandbLogger, exit_code: int) -> None:
    logger.experiment.finish(exit_code=exit_code)


def mlflow_logger(
    *,
    save_dir: str | None = None,
    tracking_uri: str | None = None,
    experiment_name: str = "segtrain",
    run_name: str | None = None,
    tags: dict[str, str] | None = None,
) -> SafeLogger:
    """Log to MLflow: a SQLite file that needs no server, or a server.

    Args:
        save_dir: folder; null = the run's.
        tracking_uri: where runs are filed; null = `mlflow.db` in the run's folder.
        experiment_name: runs of one experiment are shown together.
        run_name: null = the name of the run's folder.
        tags: to find it by.

    Raises:
        ConfigError: MLflow is not installed.
    """
    if find_spec("mlflow") is None:
        raise ConfigError("logger=mlflow needs MLflow: pip install 'segtrain-lightning[mlflow]'")
    folder = save_dir or "."
    uri = tracking_uri or f"sqlite:///{folder}/mlflow.db"

    def make() -> Logger:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it waits for the network
        artifacts = None
        if uri.startswith("sqlite:///"):
            root = Path(uri.removeprefix("sqlite:///")).resolve().parent
            root.mkdir(parents=True, exist_ok=True)
            artifacts = (root / "mlartifacts").as_uri()
        return MLFlowLogger(
            experiment_name=experiment_name,
            run_name=run_name or Path(folder).resolve().name,
            tracking_uri=uri,
            tags=dict(tags or {}),
            artifact_location=artifacts,
        )

    return SafeLogger("mlflow", make, save_dir=folder, draw=panel_sinks.to_mlflow, finish=_finish_mlflow)


def _finish_mlflow(logger: MLFlowLogger, exit_code: int) -> None:
    status = {0: "FINISHED", 130: "KILLED", 143: "KILLED"}.get(exit_code, "FAILED")
    logger.experiment.set_terminated(logger.run_id, status)
