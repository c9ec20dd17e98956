"""A PostgreSQL of the system for one test run, where there is one."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["find_postgres", "postgres_server"]

_FOLDERS = "/usr/lib/postgresql/*/bin"


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest one, or None."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    found = sorted(Path("/").glob(_FOLDERS.lstrip("/")), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """Run a server on a unix socket.

    Yields:
        What `psycopg.connect` takes.
    """
    folder = Path(tempfile.mkdtemp(prefix="ajr-pg-", dir="/tmp"))
    # It refuses to run as root, so root hands it to the user of the package.
    as_user: dict[str, Any] = {}
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = str(folder / "data")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder, **as_user}
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    try:
        initdb = [f"{programs}/initdb", "-D", data, "-A", "trust", "-U", "test", "--no-sync"]
        subprocess.run(initdb, check=True, **quiet)
        control = [f"{programs}/pg_ctl", "-D", data, "-w", "-s"]
        subprocess.run(
            [*control, "-o", options, "-l", f"{folder}/log", "start"], check=True, **quiet
        )
        try:
            yield f"host={folder} user=test dbname=postgres"
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
