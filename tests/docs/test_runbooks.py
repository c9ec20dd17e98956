"""Each runbook is tried: its trouble is made on a real server, and its commands are run as printed.

Behind a command stand its exit code, where it is not 0, and what it prints. A comment on a line of
its own is what somebody does elsewhere, such as a deployment.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from aiojobs_redis import Fixed, JobState, Queue, Worker
from aiojobs_redis.cli.main import cli
from tests.docs.pages import DOCS
from tests.support.exposed import registry_restored
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

PAGE = DOCS / "runbooks.md"
APP = """
import asyncio
from pathlib import Path

from aiojobs_redis import Queue

queue = Queue("shop")

@queue.task
async def send_email(to: str) -> str:
    if to == "hangs":
        await asyncio.sleep(600)
    return to

if Path("newer").exists():
    @queue.task
    async def send_letter(to: str) -> str:
        return to

@queue.cron("0 0 1 1 *")
async def heartbeat() -> None:
    pass
"""


class Step(NamedTuple):
    """A line of a runbook: a command with what is expected of it, or what is done elsewhere."""

    command: str
    code: int
    shows: str
    stays: bool


def read(line: str) -> Step:
    command, _, note = line.partition("  #")
    code = re.search(r"exit code (\d)", note)
    shows = re.search(r'"([^"]+)"', note)
    stays = note.strip() == "stays"
    return Step(command.strip(), int(code[1]) if code else 0, shows[1] if shows else "", stays)


def runbooks() -> dict[str, list[Step]]:
    """Return the steps of each section."""
    _, *sections = re.split(r"^## ", PAGE.read_text(), flags=re.M)
    found = {}
    for section in sections:
        title, _, text = section.partition("\n")
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
        found[title] = [read(line) for block in blocks for line in block.splitlines()]
    return found


class Site:
    """An application in a folder of its own, its server, and the shell of an operator.

    Attributes:
        server: Redis.
        id: The job that the runbook calls ``$ID``.
        mended: Does what a comment on a line of its own says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = f"app_{uuid.uuid4().hex[:8]}"
        self.server = ServerProcess(
            *(find_servers()["valkey"], folder / "server", "--appendonly", "yes"), port=free_port()
        )
        self.server.start()
        self.id = ""
        self.mended: Callable[[], object] = lambda: None
        self._staying: list[subprocess.Popen[bytes]] = []
        (folder / f"{self.module}.py").write_text(APP)

    def make(self, trouble: Callable[[Site, Queue], Awaitable[None]]) -> None:
        """Make trouble, as another process would."""

        async def made() -> None:
            async with Queue("shop", self.server.url) as queue:
                await trouble(self, queue)

        asyncio.run(made())

    def words(self, step: Step) -> list[str]:
        """Return the words of a command, of which the first is the program."""
        text = step.command.replace("$ID", self.id).replace("app:", f"{self.module}:")
        return shlex.split(text)

    def take(self, step: Step) -> None:
        """Do a step; what it expects may take its time to come about."""
        if step.command.startswith("#"):
            self.mended()
            return
        if step.stays:
            self.start(*self.words(step))
            return
        deadline = time.monotonic() + 30
        while True:
            code, told = self.run(*self.words(step))
            if code == step.code and step.shows in told:
                return
            assert time.monotonic() < deadline, f"{step}: exit code {code}, {told}"

    def run(self, program: str, *words: str) -> tuple[int, str]:
        """Run a command to its end; its exit code and what it printed."""
        if program == "aiojobs-redis":
            # A process for each would be most of the time of these tests.
            sys.modules.pop(self.module, None)
            result = CliRunner().invoke(cli, words)
            return result.exit_code, result.output
        path = shutil.which(program)
        assert path is not None, "redis-cli is missing: apt-get install redis-tools"
        line = [path, "-p", str(self.server.port), *words]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def start(self, program: str, *words: str) -> None:
        """Start a process that stays until the end."""
        assert program == "aiojobs-redis"
        line = [sys.executable, "-m", "aiojobs_redis", *words]
        self._staying.append(subprocess.Popen(line, cwd=self.folder, stderr=subprocess.DEVNULL))

    def close(self) -> None:
        """End what was started."""
        for process in self._staying:
            process.kill()
            process.wait()
        self.server.remove()
        sys.modules.pop(self.module, None)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("AIOJOBS_REDIS_URL", site.server.url)
    with registry_restored():
        yield site
    site.close()


async def enqueue(
    site: Site, queue: Queue, count: int, task: str = "send_email", to: str = "ada"
) -> None:
    for _ in range(count):
        site.id = (await queue.enqueue(task, to)).id


async def nobody_works(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 3)


async def jobs_pile_up(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 200)


async def a_paused_queue_gets_a_job(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 1)


async def fails(to: str) -> None:
    raise ValueError("no such host")


async def jobs_die(site: Site, queue: Queue) -> None:
    queue.task(name="send_email", attempts=1)(fails)
    await enqueue(site, queue, 3)
    await Worker(queue).run(burst=True)


async def attempts_fail(site: Site, queue: Queue) -> None:
    queue.task(name="send_email", backoff=Fixed(3600))(fails)
    await enqueue(site, queue, 3)
    async with Worker(queue):

        async def failed() -> bool:
            return (await queue.counts()).retrying == 3

        await wait_until(failed, "all to fail", 20)


async def the_producer_is_newer(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 2, "send_letter")
    site.take(read("aiojobs-redis worker app:queue  # stays"))
    site.mended = (site.folder / "newer").touch


async def a_job_hangs(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 1, to="hangs")
    site.take(read("aiojobs-redis worker app:queue  # stays"))

    async def runs() -> bool:
        return await queue.job(site.id).state() is JobState.RUNNING

    await wait_until(runs, "the job to run", 20)


async def a_worker_dies_of_a_job(site: Site, queue: Queue) -> None:
    job = await queue.enqueue("send_email", "ada", max_deliveries=1, lease=0.5)
    site.id = job.id
    assert len(await queue.claim(1, lease=0.5)) == 1
    await Worker(queue).run(burst=True)


async def a_schedule_makes_too_many(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 5, "heartbeat")


async def redis_evicts(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 1)
    site.take(read("redis-cli CONFIG SET maxmemory-policy allkeys-lru"))
    site.take(read("aiojobs-redis worker app:queue  # stays"))


async def redis_is_full(site: Site, queue: Queue) -> None:
    @queue.task
    async def send_email(to: str) -> str:
        return to

    await enqueue(site, queue, 50)
    await Worker(queue).run(burst=True)


async def redis_is_away(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 3)
    site.server.stop()

    def start() -> None:
        site.server.start()
        site.take(read("aiojobs-redis worker app:queue  # stays"))

    site.mended = start


async def all_is_well(site: Site, queue: Queue) -> None:
    await enqueue(site, queue, 1)
    site.take(read("aiojobs-redis worker app:queue  # stays"))


PRELUDES = {
    "A queue is paused": ["aiojobs-redis queue pause app:queue"],
    "A schedule does harm": ["aiojobs-redis worker app:queue --burst"],
}
"""What an operator or a worker did before."""
TROUBLES: dict[str, Callable[[Site, Queue], Awaitable[None]]] = {
    "No worker is there": nobody_works,
    "Jobs pile up": jobs_pile_up,
    "A queue is paused": a_paused_queue_gets_a_job,
    "Jobs are dead": jobs_die,
    "Many attempts fail": attempts_fail,
    "No worker knows the task": the_producer_is_newer,
    "A job does not end": a_job_hangs,
    "A job takes its worker down": a_worker_dies_of_a_job,
    "A schedule does harm": a_schedule_makes_too_many,
    "Redis may throw jobs away": redis_evicts,
    "Redis is full": redis_is_full,
    "Redis was away": redis_is_away,
    "Before maintenance": all_is_well,
}


def test_each_runbook_is_tried_and_each_alert_has_one() -> None:
    assert set(runbooks()) == set(TROUBLES)
    alerts = (DOCS / "examples" / "monitoring" / "alerts.yml").read_text()
    assert set(re.findall(r"`(Aiojobs\w+)`", PAGE.read_text())) == set(
        re.findall(r"alert: (\w+)", alerts)
    )


@pytest.mark.requirement("B40")
@pytest.mark.parametrize("title", TROUBLES)
def test_a_runbook_mends_its_trouble(title: str, site: Site) -> None:
    for line in PRELUDES.get(title, ()):
        site.take(read(line))
    site.make(TROUBLES[title])

    for step in runbooks()[title]:
        site.take(step)
