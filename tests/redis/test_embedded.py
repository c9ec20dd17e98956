from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis import exceptions as redis_errors

from aiojobs_redis._redis import embedded_watch
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.link import Link
from tests.support.waiting import wait_until

# A user of a folder in a process of its own: tells the server's pid, then stays until stdin ends.
USER = """
import asyncio, sys
from aiojobs_redis._redis.connection import Server

async def main():
    server = Server.from_url(sys.argv[1])
    link = server.link()
    info = await link.call("INFO", "server")
    await link.call("INCR", "users")
    pid = info.partition(b"process_id:")[2].split()[0].decode()
    config = await link.call("CONFIG", "GET", "dir")
    print(pid, config[1].decode(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await link.close()
    await server.close()

asyncio.run(main())
"""


class User:
    """A process that uses an embedded server."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def report(self) -> tuple[int, Path]:
        """Wait for the user to be connected; return pid and folder of the server."""
        assert self._process.stdout is not None
        pid, folder = self._process.stdout.readline().split()
        return int(pid), Path(folder)

    def leave(self) -> None:
        """End as a program ends."""
        self._process.communicate(timeout=10)

    def kill9(self) -> None:
        """End without a chance to clean up."""
        self._process.kill()
        self._process.communicate(timeout=10)


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path / "data"
    await wait_until(lambda: not runs_in(tmp_path), "the embedded server to end", 10)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def runs_in(folder: Path) -> list[str]:
    """Return the command lines of servers and watches with that folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}" in line and ("embedded_watch" in line or "valkey" in line):
            found.append(line)
    return found


async def holds(link: Link, value: bytes) -> bool:
    with contextlib.suppress(redis_errors.ConnectionError):
        return bool(await link.call("GET", "k") == value)
    return False


async def server_pid(server: Server) -> int:
    async with server.borrow() as link:
        info: bytes = await link.call("INFO", "server")
    return int(info.partition(b"process_id:")[2].split()[0])


async def test_the_first_user_starts_the_server_within_a_second(folder: Path) -> None:
    took: list[float] = []
    # The quickest of a few: the machine may be busy with other tests.
    while len(took) < 5 and min(took, default=1.0) >= 1:
        server = Server.from_url(f"embedded://{folder / str(len(took))}")
        start = time.monotonic()
        async with server.borrow() as link:
            assert await link.call("PING") == b"PONG"
        took.append(time.monotonic() - start)
        await server.close()
    assert min(took) < 1


async def test_the_first_user_makes_the_folder_and_configures_the_server(folder: Path) -> None:
    server = Server.from_url(f"embedded://{folder}")
    assert not folder.exists()
    async with server.borrow() as link:
        policy = await link.call("CONFIG", "GET", "maxmemory-policy")
        append = await link.call("CONFIG", "GET", "appendonly")
    assert policy[1] == b"noeviction"
    assert append[1] == b"yes"
    assert folder.stat().st_mode & 0o077 == 0
    sync = server.sync_link(2.0)
    assert sync is not None
    assert sync.call("PING") == b"PONG"
    sync.close()
    await server.close()


async def test_what_was_written_is_there_at_the_next_start(folder: Path) -> None:
    for expected in (1, 2, 3):
        server = Server.from_url(f"embedded://{folder}")
        async with server.borrow() as link:
            assert await link.call("INCR", "starts") == expected
        await server.close()


async def test_users_of_a_folder_share_one_server_that_ends_with_the_last(folder: Path) -> None:
    url = f"embedded://{folder}"
    users = [User(url) for _ in range(3)]
    reports = await asyncio.gather(*(asyncio.to_thread(user.report) for user in users))
    assert len(set(reports)) == 1
    pid = reports[0][0]
    server = Server.from_url(url)
    assert await server_pid(server) == pid
    for user in users:
        user.leave()
    async with server.borrow() as link:
        assert await link.call("GET", "users") == b"3"
    await server.close()
    await wait_until(lambda: not alive(pid), "the server to end with its last user")


@pytest.mark.parametrize("end", [User.leave, User.kill9], ids=["leave", "kill9"])
async def test_a_server_ends_with_its_last_user_however_that_one_ends(
    folder: Path, end: Callable[[User], None]
) -> None:
    first, second = User(f"embedded://{folder}"), User(f"embedded://{folder}")
    pid, _ = await asyncio.to_thread(first.report)
    assert (await asyncio.to_thread(second.report))[0] == pid
    first.kill9()
    assert alive(pid)
    end(second)
    await wait_until(lambda: not alive(pid), "the server to end with its last user")


async def test_opening_while_the_last_user_leaves_never_fails(folder: Path) -> None:
    for turn in range(1, 8):
        server = Server.from_url(f"embedded://{folder}")
        async with server.borrow() as link:
            assert await link.call("INCR", "turns") == turn
        # The watch of this server and the next user race for the lock of the users.
        await server.close()
        for _ in range(turn):
            await asyncio.sleep(0)


async def test_a_crashed_server_is_started_again_with_its_data(folder: Path) -> None:
    server = Server.from_url(f"embedded://{folder}")
    link, other = server.link(), Server.from_url(f"embedded://{folder}")
    await link.call("SET", "k", "v")
    await link.call("CONFIG", "SET", "appendfsync", "always")
    await link.call("SET", "k", "w")
    pid = await server_pid(server)
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: holds(link, b"w"), "the server to be back with its data")
    assert await server_pid(other) != pid
    async with other.borrow() as shared:
        assert await shared.call("GET", "k") == b"w"
    await link.close()
    await server.close()
    await other.close()


async def test_a_killed_watch_takes_the_server_with_it_and_the_next_connect_restarts(
    folder: Path,
) -> None:
    server = Server.from_url(f"embedded://{folder}")
    link = server.link()
    await link.call("SET", "k", "v")
    pid = await server_pid(server)
    watch = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(watch, signal.SIGKILL)
    await wait_until(lambda: not alive(pid), "the server to end with its watch")
    await wait_until(lambda: holds(link, b"v"), "the server to be back with its data")
    await link.close()
    await server.close()


async def test_a_frozen_server_is_not_replaced(folder: Path) -> None:
    server = Server.from_url(f"embedded://{folder}")
    pid = await server_pid(server)
    os.kill(pid, signal.SIGSTOP)
    link = server.link(timeout=0.3)
    with pytest.raises((redis_errors.ConnectionError, redis_errors.TimeoutError)):
        await link.call("PING")
    os.kill(pid, signal.SIGCONT)
    assert await server_pid(server) == pid
    await link.close()
    await server.close()


async def test_a_folder_too_deep_for_a_socket_works_as_well(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    servers = [Server.from_url(f"embedded://{folder}") for _ in range(2)]
    pids = [await server_pid(server) for server in servers]
    assert pids[0] == pids[1]
    sockets = Path((folder / "socket").read_text()).parent
    assert sockets.stat().st_mode & 0o077 == 0
    for server in servers:
        await server.close()
    await wait_until(lambda: not sockets.exists(), "the folder of the socket to go")
    again = Server.from_url(f"embedded://{folder}")
    async with again.borrow() as link:
        assert await link.call("PING") == b"PONG"
    await again.close()
    await wait_until(lambda: not runs_in(folder), "the server to end")


@pytest.mark.parametrize("end", [User.leave, User.kill9], ids=["leave", "kill9"])
async def test_a_temporary_server_goes_with_its_process_and_its_folder(
    end: Callable[[User], None],
) -> None:
    user, other = User("embedded://"), User("embedded://")
    pid, folder = await asyncio.to_thread(user.report)
    assert (await asyncio.to_thread(other.report))[0] != pid
    assert folder.is_dir()
    end(user)
    other.leave()
    await wait_until(lambda: not alive(pid), "the temporary server to end")
    await wait_until(lambda: not folder.exists(), "its folder to go")


async def test_a_temporary_server_is_one_a_process_and_outlives_its_queues() -> None:
    first, second = Server.from_url("embedded://"), Server.from_url("embedded://")
    async with first.borrow() as link:
        await link.call("SET", "k", "v")
    await first.close()
    async with second.borrow() as link:
        assert await link.call("GETDEL", "k") == b"v"
    await second.close()


async def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    folder.mkdir()
    (folder / "appendonlydir").write_text("not a folder")
    link = Server.from_url(f"embedded://{folder}").link()
    with pytest.raises(redis_errors.ConnectionError, match=r"it ended at once: .*appendonlydir"):
        await link.call("PING")


def test_the_watch_needs_nothing_but_the_standard_library() -> None:
    code = f"import runpy; runpy.run_path({embedded_watch.__file__!r}, run_name='watch')"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
