"""A folder of results that is there as a whole or not at all, and never in the place of anything else."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segtrain.errors import ConfigError

__all__ = ["PROVENANCE", "hash_of", "inventory", "new_folder", "refuse_taken"]

PROVENANCE = "provenance.json"
"""What a finished folder says of itself, with "audit" and the hash of each of its files."""
_UNFINISHED = "unfinished"
"""Marks a folder as one that was being written."""


def hash_of(file: Path) -> str:
    """Give the SHA-256 of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def inventory(folder: Path) -> dict[str, str]:
    """Give the hash of each file in a folder by its path in it."""
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return {name: hash_of(file) for name, file in files.items() if name not in (PROVENANCE, _UNFINISHED)}


def refuse_taken(output: Path, audit: Mapping[str, Any]) -> None:
    """Refuse a folder that holds anything but an untouched earlier correction of the same audit.

    Args:
        output: to be written.
        audit: what tells it from others.

    Raises:
        ConfigError: with what is in the way.
    """
    if _beside(output, ".part").exists() and not (_beside(output, ".part") / _UNFINISHED).exists():
        raise ConfigError(f"{_beside(output, '.part')} is in the way: remove it, or name another output.")
    if output.exists() and not output.is_dir():
        raise ConfigError(f"output={output} is a file: name a new folder.")
    if not output.exists() or not any(output.iterdir()):
        return
    earlier = _earlier(output / PROVENANCE)
    if earlier.get("audit") != dict(audit):
        what = "a correction of another audit" if earlier else "other files"
        raise ConfigError(f"output={output} holds {what}: name a new folder.")
    foreign = [name for name, found in inventory(output).items() if earlier["files"].get(name) != found]
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ConfigError(
            f"output={output} holds files that were added or changed since it was written, {', '.join(foreign[:3])}"
            f"{more}: name a new folder."
        )


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """Give a folder beside `output` to write in; at the end it takes that name, after a failure it is removed.

    What a kill leaves is `<output>.part`, which the next command removes.
    """
    part, old = _beside(output, ".part"), _beside(output, ".old")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / _UNFINISHED).touch()
    try:
        yield part
        (part / _UNFINISHED).unlink()
        if output.exists():
            shutil.rmtree(old, ignore_errors=True)
            output.rename(old)
        part.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _beside(output: Path, ending: str) -> Path:
    return output.with_name(output.name + ending)


def _earlier(file: Path) -> dict[str, Any]:
    """Read what an earlier correction says of itself; nothing where there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    complete = isinstance(content, dict) and isinstance(content.get("files"), dict) and "audit" in content
    return content if complete else {}
