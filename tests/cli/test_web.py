"""`aiojobs-redis web`: it serves the dashboard, and does not listen where others get to unasked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.servers import ServerProcess

APP = 'from aiojobs_redis import Queue\nqueue = Queue("shown")\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def command(
    folder: Path, url: str, *args: str, program: str = "web", **env: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "aiojobs_redis", program, "app:queue", *args],
        cwd=folder,
        env={**os.environ, "AIOJOBS_REDIS_URL": url, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def started(folder: Path, valkey_server: ServerProcess) -> Iterator[list[subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []
    yield running
    for process in running:
        process.kill()
        process.communicate()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.fullmatch(r"(http://\S+/)\n", line)
    assert found, line + process.stderr.read()
    return found[1]


def test_it_says_where_it_listens_serves_the_pages_and_ends_with_a_signal(
    folder: Path, valkey_server: ServerProcess, started: list[subprocess.Popen[str]]
) -> None:
    process = command(folder, valkey_server.url, "--port", "0")
    started.append(process)
    address = address_of(process)
    page = httpx2.get(address)
    assert page.status_code == 200
    assert "shown" in page.text
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in {0, -signal.SIGTERM}


@pytest.mark.requirement("S13")
def test_it_does_not_listen_on_a_public_address_without_a_token(
    folder: Path, valkey_server: ServerProcess, started: list[subprocess.Popen[str]]
) -> None:
    process = command(folder, valkey_server.url, "--host", "0.0.0.0", "--port", "0")
    started.append(process)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "without authentication" in said

    (folder / "token").write_text("a-token-of-some-length\n")
    process = command(
        folder, valkey_server.url, "--host", "0.0.0.0", "--port", "0", "--token-file", "token"
    )
    started.append(process)
    address = address_of(process).replace("0.0.0.0", "127.0.0.1")
    assert httpx2.get(address).status_code == 401
    headers = {"Authorization": "Bearer a-token-of-some-length"}
    assert httpx2.get(address, headers=headers).status_code == 200


@pytest.mark.requirement("S19")
@pytest.mark.parametrize("style", ["pretty", "json"])
def test_who_does_what_is_in_its_log(
    folder: Path, valkey_server: ServerProcess, started: list[subprocess.Popen[str]], style: str
) -> None:
    options = ["--port", "0", "--allow-actions", "--log-level", "INFO"]
    process = command(folder, valkey_server.url, *options, AIOJOBS_REDIS_LOG_FORMAT=style)
    started.append(process)
    answer = httpx2.post(f"{address_of(process)}api/queues/shown/pause")
    assert process.stderr is not None
    line = process.stderr.readline()

    assert answer.status_code == 200
    if style == "pretty":
        assert line.endswith(" local user at 127.0.0.1: pause, queue shown\n")
        return
    said = json.loads(line)
    assert (said["logger"], said["action"], said["queue"]) == (
        *("aiojobs_redis.audit", "pause", "shown"),
    )
    assert said["who"] == "local user at 127.0.0.1"


@pytest.mark.requirement("S13")
@pytest.mark.parametrize(
    ("options", "status", "hinted"),
    [
        ([], 403, True),
        (["--read-only"], 403, False),
        (["--allow-actions"], 200, False),
        (["--token-file", "token"], 200, False),
        (["--token-file", "token", "--read-only"], 403, False),
    ],
)
def test_it_changes_nothing_unless_it_is_told_to_or_has_a_token(
    folder: Path,
    valkey_server: ServerProcess,
    started: list[subprocess.Popen[str]],
    options: list[str],
    status: int,
    hinted: bool,
) -> None:
    (folder / "token").write_text("a-token-of-some-length\n")
    process = command(folder, valkey_server.url, "--port", "0", *options)
    started.append(process)
    address = address_of(process)
    headers = {"Authorization": "Bearer a-token-of-some-length"}

    answer = httpx2.post(f"{address}api/queues/shown/resume", headers=headers)

    assert answer.status_code == status
    process.send_signal(signal.SIGTERM)
    # What is read by lines may hold more of it already, which `communicate` would not see.
    assert process.stderr is not None
    assert ("--allow-actions" in process.stderr.read()) is hinted


def test_actions_are_not_allowed_against_the_setting(
    folder: Path, valkey_server: ServerProcess, started: list[subprocess.Popen[str]]
) -> None:
    env = {"AIOJOBS_REDIS_READ_ONLY": "1"}
    process = command(folder, valkey_server.url, "--allow-actions", "--port", "0", **env)
    started.append(process)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "--allow-actions contradicts the setting read_only" in said


@pytest.mark.requirement("S13")
def test_the_dashboard_alone_listens_and_to_this_machine_alone(
    folder: Path, valkey_server: ServerProcess, started: list[subprocess.Popen[str]]
) -> None:
    process = command(folder, valkey_server.url, "--port", "0")
    started.append(process)
    address = address_of(process)
    worker = command(folder, valkey_server.url, program="worker")
    started.append(worker)
    assert worker.stderr is not None
    assert "queue" in worker.stderr.readline(), "it is at work once it says so"

    assert listening(process.pid) == {f"127.0.0.1:{urlsplit(address).port}"}
    assert listening(worker.pid) == set()


def listening(pid: int) -> set[str]:
    """Return where a process takes connections; an address of IPv6 as the kernel writes it."""
    inodes: set[str] = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        # It may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            inodes.add(str(each.readlink()).removeprefix("socket:[").removesuffix("]"))
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                host, _, port = words[1].partition(":")
                if table == "tcp":
                    host = socket.inet_ntoa(bytes.fromhex(host)[::-1])
                found.add(f"{host}:{int(port, 16)}")
    return found


def test_a_port_that_is_taken_is_named_with_the_way_out(
    folder: Path, valkey_server: ServerProcess, started: list[subprocess.Popen[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = command(folder, valkey_server.url, "--port", str(port))
        started.append(process)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "--port" in said
