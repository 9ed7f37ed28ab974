"""A logger that can fail without stopping anything."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only, rank_zero_warn

from segtrain.training.prediction import Panel

__all__ = ["SafeLogger", "close"]

Draw = Callable[[Any, str, Sequence[Panel], int], None]


class SafeLogger(Logger):
    """A logger whose failure never stops a training: it warns once and goes quiet.

    The logger is made when it is first needed, in the first process only.

    Args:
        kind: its name, for people.
        make: makes it.
        save_dir: the run's folder.
        draw: (logger, key, panels, step) shows panels in it; None = it takes no pictures.
        finish: (logger, exit_code) ends its run.
    """

    def __init__(
        self,
        kind: str,
        make: Callable[[], Logger],
        *,
        save_dir: str,
        draw: Draw | None = None,
        finish: Callable[[Any, int], None] | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.failed = False
        self._make = make
        self._save_dir = save_dir
        self._draw = draw
        self._finish = finish
        self._logger: Logger | None = None

    @property
    def name(self) -> str:
        return self.kind

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return self._save_dir

    @property
    def experiment(self) -> Any:
        """The logger's own object, such as a SummaryWriter; None if it has failed."""
        return self._call(lambda logger: getattr(logger, "experiment", None))

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._call(lambda logger: logger.log_metrics(metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._call(lambda logger: logger.log_hyperparams(params, *args, **kwargs))

    @property
    def takes_panels(self) -> bool:
        return self._draw is not None and not self.failed

    def log_panels(self, key: str, panels: Sequence[Panel], step: int) -> None:
        """Show pictures, if it can."""
        if (draw := self._draw) is not None:
            self._call(lambda logger: draw(logger, key, panels, step))

    def save(self) -> None:
        if self._logger is not None:
            self._call(lambda logger: logger.save())

    def finalize(self, status: str) -> None:
        if self._logger is not None:
            self._call(lambda logger: logger.finalize(status))

    def close(self, exit_code: int) -> None:
        """End its run, saying how the training ended."""
        if self._logger is not None and (finish := self._finish) is not None:
            self._call(lambda logger: finish(logger, exit_code))
        self._logger = None

    def _call(self, use: Callable[[Any], Any]) -> Any:
        if self.failed or rank_zero_only.rank != 0:  # type: ignore[attr-defined]
            return None
        try:
            if self._logger is None:
                self._logger = self._make()
            return use(self._logger)
        except Exception as error:
            self.failed = True
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            rank_zero_warn(f"The {self.kind} logger failed and is left out; the training goes on. ({reason})")
            return None


def close(loggers: Iterable[Logger], exit_code: int) -> None:
    """End the runs of all loggers, saying how the training ended."""
    for logger in loggers:
        if isinstance(logger, SafeLogger):
            logger.close(exit_code)
