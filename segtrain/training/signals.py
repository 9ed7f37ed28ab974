"""SIGTERM, SIGUSR1 and Ctrl-C are noted, and become an exit status that tells of them."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch.distributed as dist

__all__ = ["Interrupted", "Signals", "shield_worker", "stop_if_asked"]

_EXIT_CODES = {"SIGTERM": 143, "SIGUSR1": 143, "SIGINT": 130}
_HANDLED = [getattr(signal, name) for name in _EXIT_CODES if hasattr(signal, name)]
_active: list["Signals"] = []


class Interrupted(SystemExit):
    """A signal ended the training; uncaught, it ends the process with the status that says which."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        self.exit_status = _EXIT_CODES[name]
        super().__init__(self.exit_status)
        self.reason = "Ctrl-C" if name == "SIGINT" else name

    def __str__(self) -> str:
        return self.reason


class Signals:
    """Note signals instead of dying of them, while it is entered; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.pending: int | None = None
        self._before: dict[int, Any] = {}
        self._process = os.getpid()

    def __enter__(self) -> "Signals":
        self._before = {number: signal.getsignal(number) for number in _HANDLED}
        self.install()
        _active.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _active.remove(self)
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def install(self) -> None:
        """Take the signals, again where Lightning has put its own handler before."""
        if threading.current_thread() is threading.main_thread():  # the only one that may
            for number in _HANDLED:
                signal.signal(number, self._note)

    def check(self) -> None:
        """Raise `Interrupted` if a signal came."""
        if self.pending is not None:
            raise Interrupted(self.pending)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a forked worker, which goes on working until the step is done
        if number == signal.SIGINT:
            if self.pending == signal.SIGINT:
                raise Interrupted(number)
            # Not by print or logging: the signal may have come in the middle of one.
            os.write(2, b"\nCtrl-C: finishing the step and saving; once more ends at once\n")
        if self.pending is None or number == signal.SIGINT:
            self.pending = number


def stop_if_asked() -> None:
    """Raise `Interrupted` if a signal came: for long work between epochs, when all that is trained is saved.

    Under several processes it does nothing, as the others would wait for this one for ever.
    """
    if _active and not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        _active[-1].check()


def shield_worker() -> None:
    """Let a loader's worker live on when a signal goes to all processes of a training: the first of them decides.

    A scheduler that ends a job, and a terminal's Ctrl-C, signal them all; the step that is to be finished would then
    die of its dead workers. To be called in the worker.
    """
    for name in ("SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """Wait for the SIGTERM by which the loader ends its workers."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
