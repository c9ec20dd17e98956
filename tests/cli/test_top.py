"""`top` and `workers`: a picture that changes on a terminal, lines and JSON elsewhere."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from aiojobs_redis import Queue
from tests.cli.conftest import App
from tests.support.servers import ServerProcess, find_servers
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until


async def alive(queue: Queue) -> None:
    # The registry is as of the last beat.
    async def there() -> bool:
        return [worker.running for worker in await queue.workers()] == [1]

    await wait_until(there, "the worker to be listed", timeout=30)


def test_each_look_is_a_line_for_queue_worker_and_job_into_a_pipe(app: App) -> None:
    app.do(lambda queue: queue.enqueue("wait", id="held"))
    with app.worker("-c", "4"):
        app.do(alive)
        result = app.run("top", "APP", "-n", "2", "--interval", "0.2")
        as_json = app.run("top", "APP", "-n", "1", "--json")
        app.run("job", "cancel", "APP", "held")

    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == ["queue", "worker", "job"] * 2
    first, second = rows[0], rows[3]
    assert first[1:4] == [app.name, "0", "1"]
    assert first[9:12] == ["-"] * 3
    assert all(float(rate) >= 0 for rate in second[9:12])
    assert rows[1][6] == "1/4"
    assert rows[2][1:4] == ["held", "wait", app.name]
    record = json.loads(as_json.stdout)
    assert (record["queue"], record["running"], record["rates"]) == (app.name, 1, None)
    assert [job["id"] for job in record["running_list"]] == ["held"]


def test_rates_are_those_since_the_look_before(app: App) -> None:
    from aiojobs_redis.cli.snapshot import Sampler

    async def look(queue: Queue) -> list[object]:
        sampler = Sampler(queue, 5)
        first = await sampler.take()
        for _ in range(4):
            await queue.enqueue("add", 1)
        second = await sampler.take()
        third = await sampler.take()
        assert second.rates is not None
        assert third.rates is not None
        return [first.rates, second.rates.enqueued > 0, third.rates.enqueued]

    assert app.do(look) == [None, True, 0.0]


def test_a_terminal_gets_a_picture_that_holds_at_p_and_ends_at_q(app: App) -> None:
    with Terminal(app.folder, "top", app.ref, "--interval", "0.2") as terminal:
        terminal.wait_for("no worker was seen", 2)
        assert app.name in terminal.text
        assert "q end  p hold" in terminal.text
        terminal.press("p")
        terminal.wait_for("HELD  p go on  q end")
        # What was on its way is shown; after that nothing changes until it is pressed again.
        terminal.settle()
        app.do(lambda queue: queue.enqueue("add", 1, id="new"))
        held = terminal.settle()
        terminal.press("p")
        terminal.wait_for("aiojobs-redis top", held.count("aiojobs-redis top") + 1)
        terminal.press("q")
        assert terminal.wait() == 0

    # The screen is as it was before, and keys are shown again.
    assert terminal.raw.rstrip().endswith("\x1b[?25h") or "\x1b[?1049l" in terminal.raw


@pytest.fixture
def mortal(
    app: App, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[App, ServerProcess]]:
    """An application on a server of its own, which may be ended."""
    kind = sorted(find_servers())[0]
    server = ServerProcess(find_servers()[kind], tmp_path_factory.mktemp("mortal"))
    server.start()
    yield App(app.folder, f"{app.name}_mortal", server.url), server
    server.remove()


def test_a_server_that_goes_away_and_comes_back_is_waited_for(
    mortal: tuple[App, ServerProcess],
) -> None:
    app, server = mortal
    with Terminal(app.folder, "top", app.ref, "--interval", "0.2") as terminal:
        terminal.wait_for("no worker was seen", 2)
        server.pause()
        # The last picture stays, and says that it is old.
        terminal.wait_for("Redis has not answered for 1 s")
        assert terminal.text.rpartition("Redis has not answered")[2].count(app.name) == 1
        server.resume()
        terminal.wait_for("aiojobs-redis top", terminal.text.count("aiojobs-redis top") + 3)
        server.kill9()
        terminal.wait_for(" is not available: ")
        server.start()
        terminal.wait_for("aiojobs-redis top", terminal.text.count("aiojobs-redis top") + 3)
        assert "not available" not in terminal.text.rpartition("aiojobs-redis top")[2]
        server.pause()
        terminal.wait_for("Redis has not answered for 1 s", 2)
        # A call that hangs does not keep the keys from being heard.
        terminal.press("q")
        code = terminal.wait()
        server.resume()

    assert code == 0


def test_ctrl_c_ends_it_like_q(app: App) -> None:
    with Terminal(app.folder, "top", app.ref, "--interval", "0.2") as terminal:
        terminal.wait_for("no worker was seen")
        os.killpg(terminal.pid, signal.SIGINT)
        assert terminal.wait() == 0

    assert "Traceback" not in terminal.text


@pytest.mark.requirement("B25")
def test_workers_are_listed_with_what_they_run_until_they_are_gone(app: App) -> None:
    app.do(lambda queue: queue.enqueue("wait", id="held"))
    none = app.run("workers", "APP")
    with app.worker("-c", "4") as process:
        app.do(alive)
        table = app.run("workers", "APP")
        (record,) = map(json.loads, app.run("workers", "APP", "--json").stdout.splitlines())
        pid = process.pid
        app.run("job", "cancel", "APP", "held")
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    gone = app.run("workers", "APP")

    assert (none.stdout, gone.stdout) == ("", "")
    assert table.stdout.split("\t")[2:5] == [str(pid), record["version"], "4"]
    assert (record["queue"], record["state"], record["asked"]) == (app.name, "running", None)
    assert record["pid"] == pid
    assert record["jobs"] == [{"id": "held", "task": "wait"}]
