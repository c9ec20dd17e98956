"""Every command line that `docs/cli.md` and the help texts show works as it is shown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aiojobs_redis import Worker
from aiojobs_redis.cli.main import cli
from tests.cli.test_main import ALL
from tests.docs.pages import DOCS
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_for

PAGE = DOCS / "cli.md"
ID = "01M81583P2RMD8DRWG1Z0SXG4R"
WORKER = re.compile(r"[\w.-]+-\d+-[0-9a-f]{8}")
APP = """
from datetime import datetime
from aiojobs_redis import Queue, Worker, current_job

queue = Queue("q{name}", {url!r}, namespace="test")
queues = [queue, *(Queue(each, {url!r}, namespace="{name}") for each in ("high", "low"))]
worker = Worker(queue)

@queue.task
async def send_email(to: str, *, subject: str = "") -> int:
    await current_job().log(to)
    if to == "nobody":
        raise TimeoutError(to)
    return len(subject)

@queue.task
async def add(a: int, b: int) -> int:
    return a + b

@queue.task
async def resize(size: dict) -> None: ...

@queue.cron("0 3 * * *")
async def nightly() -> None: ...
"""


def lines_of(text: str) -> list[str]:
    """Return the command lines of a text, without what they are piped into and remarks."""
    found = re.findall(r"^ *(aiojobs-redis .*)$", text, re.M)
    return [re.split(r" \| | {2,}#", line)[0].strip() for line in found]


BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
SHOWN = [line for block in BLOCKS for line in lines_of(block)]
HELP = [line for command in ALL.values() for line in lines_of(command.epilog or "")]
QUICKSTART = lines_of(next(block for block in BLOCKS if "aiojobs-redis init" in block))
UNTIL_ENDED = [
    line
    for line in SHOWN
    if re.match(r"aiojobs-redis (worker |top app:queues$)", line)
    and not re.search("--burst|--dry-run|--check", line)
]
# `demo` alone hashes the whole standard library: tests/cli/test_demo.py and the README run it.
ELSEWHERE = {"aiojobs-redis demo", *QUICKSTART, *UNTIL_ENDED}
ELSEWHERE |= {line for line in SHOWN if " web " in line}
AT_ONCE = [line for line in SHOWN if line not in ELSEWHERE]


def test_the_page_shows_what_is_looked_for() -> None:
    assert len(SHOWN) > 50
    assert len(UNTIL_ENDED) >= 8
    assert len(HELP) > 40


@pytest.mark.parametrize("line", [*SHOWN, *HELP])
def test_every_command_line_that_is_shown_can_be_understood(line: str, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.touch()
    words = shlex.split(line)[1:]
    command: click.Command = cli
    context: click.Context | None = None
    while isinstance(command, click.Group):
        context = command.make_context(command.name, words, parent=context)
        words = [*context._protected_args, *context.args]
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command = found

    # The only file that a command looks for before it does anything.
    words = [str(secret) if word.startswith("/run/secrets/") else word for word in words]
    command.make_context(command.name, words)


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_server: ServerProcess
) -> Iterator[Path]:
    """A folder with an application as the page has it, and files for those that want some."""
    name = f"d{os.getpid()}-{id(tmp_path)}"
    (tmp_path / "app.py").write_text(APP.format(name=name, url=valkey_server.url))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    # A port that others on this machine do not have.
    monkeypatch.setenv("AIOJOBS_REDIS_PORT", "0")
    sys.modules.pop("app", None)
    yield tmp_path
    asyncio.run(prepare("nothing"))
    sys.modules.pop("app", None)


async def prepare(line: str) -> None:
    """Let the queue be empty, or the job be where the command wants it."""
    from aiojobs_redis.cli.app import load_queues

    queue, *others = load_queues("app:queues")
    async with queue:
        await queue.destroy(force=True)
        for other in others:
            await other.destroy(force=True)
            await other.close()
        if line == "nothing":
            return
        await queue.schedule("nightly", queue.bind("add", 1, 2), every=3600)
        if re.search(" (cancel|promote) ", line):
            await queue.enqueue("send_email", "ada", id=ID, delay=60)
        elif ID in line or " dead " in line:
            to = "nobody" if re.search(" (dead|retry) ", line) else "ada"
            await queue.enqueue("send_email", to, id=ID, attempts=1)
            await Worker(queue).run(burst=True)


def words_of(line: str, folder: Path) -> list[str]:
    words = [word.replace("~", str(folder)) for word in shlex.split(line)[1:]]
    ports = {"8765", "9187"}
    heartbeat = str(folder / "worker")
    return ["0" if w in ports else heartbeat if w == "/tmp/worker" else w for w in words]


async def record(folder: Path) -> None:
    from aiojobs_redis.cli.app import load_queue

    queue = load_queue("app:queue", None)
    async with queue:
        for name in ("producer", "worker"):
            with queue.record_history(folder / name):
                await queue.enqueue("add", 1, 2)
                await Worker(queue).run(burst=True)
            (written,) = (folder / name).glob("*.jsonl")
            written.rename(folder / f"{name}.jsonl")
    shutil.copytree(folder / "producer", folder / "history")
    shutil.copy(folder / "producer.jsonl", folder / "history")


@pytest.mark.parametrize("line", AT_ONCE)
def test_a_command_of_the_page_does_what_it_is_shown_for(line: str, folder: Path) -> None:
    asyncio.run(prepare(line))
    if "check-history" in line:
        asyncio.run(record(folder))
    words = words_of(line, folder)
    if re.search(" --wait| --check$| workers (quiet|resume|stop) ", line):
        ran = with_a_worker(words, folder)
    else:
        ran = CliRunner().invoke(cli, words, input="y\n").exit_code, ""

    # Without a worker `doctor` finds that there is none.
    assert ran[0] == (1 if "doctor" in line else 0), ran


def with_a_worker(words: list[str], folder: Path) -> tuple[int, str]:
    options = ["--heartbeat-file", str(folder / "worker")] * ("--heartbeat-file" in words)
    with running(folder, "worker", "app:queue", *options) as worker:
        worker.wait_for("jobs at once", 2)
        if options:
            wait_for((folder / "worker").exists, "the sign of life", 60)
        else:
            wait_for(lambda: asyncio.run(seen()), "the worker to be listed", 60)
        # The name of a worker is not known before it runs.
        words = [asyncio.run(seen())[0] if WORKER.fullmatch(word) else word for word in words]
        result = CliRunner().invoke(cli, words, input="y\n")
    return result.exit_code, result.output


async def seen() -> list[str]:
    from aiojobs_redis.cli.app import load_queue

    queue = load_queue("app:queue", None)
    async with queue:
        return [worker.id for worker in await queue.workers()]


class Running:
    """A command that runs until it is ended.

    Args:
        folder: Where it runs; it logs there too.
        words: The command line.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self._log = folder / f"{len(list(folder.glob('*.log')))}.log"
        self._stream = self._log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aiojobs_redis", *words],
            cwd=folder,
            stdout=self._stream,
            stderr=self._stream,
        )

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until it has written a text so many times."""
        try:
            wait_for(lambda: self.text.count(text) >= times, repr(text), 60)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.text}") from None

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        self._stream.close()

    def end(self) -> int:
        """End it as a user does, and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[Running]:
    made = Running(folder, *words)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("line", UNTIL_ENDED)
def test_a_command_that_runs_until_it_is_ended_does_so(line: str, folder: Path) -> None:
    processes = re.search(r"--processes (\d+)", line)
    # The line that begins the log, and the one of the worker, which takes signals by then.
    ready, times = "jobs at once", 2
    if processes:
        times = 1
        ready = f"{processes[1]} of {processes[1]} processes are ready"
    elif " top " in line:
        ready, times = "queue\thigh", 1
    with running(folder, *words_of(line, folder)) as command:
        command.wait_for(ready, times)
        assert command.end() == 0, command.text


def test_the_first_three_commands_end_with_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("AIOJOBS_REDIS_PORT", "0")
    sys.modules.pop("app", None)
    folder = tmp_path
    init, dev, enqueue = (words_of(line, folder) for line in QUICKSTART)

    assert CliRunner().invoke(cli, init).exit_code == 0
    with running(folder, *dev) as command:
        command.wait_for("jobs at once", 2)
        command.wait_for("http://127.0.0.1:")
        result = CliRunner().invoke(cli, enqueue)
        code = command.end()
    sys.modules.pop("app", None)

    assert (result.exit_code, json.loads(result.stdout.splitlines()[1])) == (0, "hello Ada")
    assert (folder / "data").is_dir()
    assert code == 0, command.text
