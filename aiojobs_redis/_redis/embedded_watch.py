"""Starts the embedded server, detached from its user, and stops it with its last user.

Run as a script, so that it needs neither the package nor what the package imports:
`python embedded_watch.py BINARY FOLDER SOCKET kept|temporary`. It returns 0 once the server
answers.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["answers", "main"]

# Loading an append-only file of some GB takes this long.
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1


def answers(path: str, timeout: float = 1.0) -> bool:
    """Whether a server accepts commands on that socket.

    Raises:
        TimeoutError: Somebody listens there but does not answer in time, or still loads its data.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        try:
            client.connect(path)
            client.sendall(b"PING\r\n")
            reply = client.recv(64)
        except TimeoutError:
            raise
        except OSError:
            return False
    if reply.startswith(b"-LOADING"):
        raise TimeoutError("it still loads its data")
    return reply.startswith(b"+PONG")


def main(binary: str, folder: str, sock: str, life: str) -> int:
    """Start the server and return 0 when it answers; the watch goes on in a process of its own."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading) as report:
            problem = report.read()
        if problem:
            sys.stderr.write(problem)
        return 1 if problem else 0
    os.close(reading)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    _watch(binary, Path(folder), sock, writing, temporary=life == "temporary")
    os._exit(0)


def _watch(binary: str, folder: Path, sock: str, report: int, *, temporary: bool) -> None:
    server: subprocess.Popen[bytes] | None = None
    try:
        server = _start(binary, folder, sock, temporary=temporary)
        _await_answer(server, folder, sock)
    except Exception as error:
        os.write(report, f"{error}".encode())
        if server is not None:
            server.kill()
        return
    finally:
        os.close(report)

    def look(number: int, frame: object) -> None:
        # The signal also comes when the server is only stopped, or goes on.
        if server.poll() is not None:
            os._exit(0)

    signal.signal(signal.SIGCHLD, look)
    look(signal.SIGCHLD, None)
    # Every user holds this lock shared, and the kernel takes it from the dead.
    with (folder / "users.lock").open("ab") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        server.terminate()
        try:
            server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if Path(sock).parent != folder:
            shutil.rmtree(Path(sock).parent, ignore_errors=True)
        if temporary:
            shutil.rmtree(folder, ignore_errors=True)


def _start(binary: str, folder: Path, sock: str, *, temporary: bool) -> subprocess.Popen[bytes]:
    # The server inherits this lock and holds it as long as it lives: two servers on one append-only
    # file would ruin it.
    alive = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _STOP_SECONDS
    while True:
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise RuntimeError("the server before this one does not end") from None
            time.sleep(0.01)
    keep = ["--appendonly", "no"] if temporary else ["--appendonly", "yes"]
    command = [
        binary,
        *("--port", "0", "--unixsocket", sock, "--unixsocketperm", "700"),
        *("--dir", str(folder), "--daemonize", "no", "--save", "", *keep),
        *("--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
        *("--logfile", str(folder / "valkey.log")),
    ]
    try:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[alive],
            preexec_fn=_end_with_parent,
        )
    finally:
        os.close(alive)


def _end_with_parent() -> None:
    # A server whose watch was killed would never be stopped. Linux only; elsewhere it stays.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_answer(server: subprocess.Popen[bytes], folder: Path, sock: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            if answers(sock):
                return
        if server.poll() is not None:
            log = folder / "valkey.log"
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            why = lines[-1] if lines else f"exit code {server.returncode}"
            raise RuntimeError(f"it ended at once: {why}")
        time.sleep(0.002)
    raise RuntimeError(f"it did not answer within {_START_SECONDS:g} s")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
