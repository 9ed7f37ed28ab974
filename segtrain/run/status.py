"""A run's status.json: what became of it, told truly, whatever became of it."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from segtrain import __version__

__all__ = ["first_process", "write_atomically", "written_status"]


def write_atomically(path: Path, text: str) -> None:
    """Write beside the place, then rename: a reader, or a kill, never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def first_process() -> bool:
    """Whether this process writes for all of a run, known before they have met."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


@contextmanager
def written_status(run_dir: Path) -> Iterator[Callable[..., None]]:
    """Keep `status.json` true while a run is running and after it ended, in whichever way.

    Gives a function that adds facts to it: `note(device="cpu")`.
    """
    status: dict[str, Any] = {
        "status": "running",
        "exit_code": None,
        "reason": "",
        "started": _now(),
        "finished": None,
        "command": shlex.join(["python", *sys.argv]),
        "version": __version__,
        "pid": os.getpid(),
    }
    end = {"status": "finished", "exit_code": 0, "reason": ""}

    def note(**facts: Any) -> None:
        status.update(facts)
        _write(run_dir, status)

    note()
    try:
        yield note
    except KeyboardInterrupt:
        end = {"status": "interrupted", "exit_code": 130, "reason": "Ctrl-C"}
        raise
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        end = {"status": "interrupted" if code >= 128 else "failed", "exit_code": code, "reason": str(stop) or "exit"}
        raise
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        end = {"status": "failed", "exit_code": getattr(error, "exit_status", 1), "reason": reason}
        raise
    finally:
        _write(run_dir, status | end | {"finished": _now(), "cpu_seconds": round(time.process_time(), 1)})


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _write(run_dir: Path, status: dict[str, Any]) -> None:
    if first_process():
        write_atomically(run_dir / "status.json", json.dumps(status, indent=2) + "\n")
