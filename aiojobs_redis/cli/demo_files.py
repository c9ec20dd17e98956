"""Which files the demo works on: real ones, read through no symbolic link."""

from __future__ import annotations

import os
import stat
import sysconfig
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from aiojobs_redis.cli.exits import Failure, Misuse

__all__ = ["Files", "find_files"]

MOST_FILES = 5_000
_SKIPPED = frozenset({"__pycache__", "site-packages", "dist-packages"})


class Files(NamedTuple):
    """What was found.

    Attributes:
        folder: Where.
        sizes: Bytes by path, 5,000 files at most.
        unreadable: Files and folders that could not be opened.
        left_out: Files beyond the 5,000.
    """

    folder: Path
    sizes: dict[str, int]
    unreadable: int
    left_out: int


def find_files(folder: Path | None) -> Files:
    """Walk a folder, or the ``*.py`` files of Python's standard library.

    Raises:
        Misuse: There is no such folder.
        Failure: It holds no file that can be read.
    """
    pattern = "*" if folder else "*.py"
    folder = (folder or Path(sysconfig.get_path("stdlib"))).absolute()
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise Misuse(f"{folder} {what}: give a folder, or none for Python's standard library.")
    failed: list[OSError] = []
    sizes: dict[str, int] = {}
    unreadable = found = 0
    for root, folders, names in os.walk(folder, onerror=failed.append):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            if not fnmatch(name, pattern):
                continue
            path = Path(root, name)
            size = _size(path)
            if size is None:
                continue
            if size < 0:
                unreadable += 1
                continue
            found += 1
            if len(sizes) < MOST_FILES:
                sizes[str(path)] = size
    if not sizes:
        reason = f"; {failed[0].strerror}: {failed[0].filename}" if failed else ""
        raise Failure(
            f"{folder} holds no file that can be read ({unreadable} could not be opened{reason}): "
            "give another folder, or none for Python's standard library."
        )
    return Files(folder, sizes, unreadable + len(failed), found - len(sizes))


def _size(path: Path) -> int | None:
    """Return the size of a file, -1 when it cannot be read, None for what is no file."""
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            return None
        str(path).encode()
        with path.open("rb"):
            return about.st_size
    except (OSError, UnicodeEncodeError):
        # A name that is no UTF-8 cannot travel as text either.
        return -1
