"""The fixtures of the pytest plugin, in test runs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.quality.paths import ROOT

USES = """
from aiojobs_redis import JobState
from aiojobs_redis.testing import assert_enqueued, run_until_idle


async def test_of_{number}(jobs, worker, frozen_clock):
    @jobs.task
    async def greet(name: str) -> str:
        return f"Hello {{name}}"

    # Those of other tests are not there.
    assert (await jobs.counts()).unfinished == 0
    job = await greet.options(delay=60).enqueue("Ada")
    assert_enqueued(greet, "Ada", delay=60)
    frozen_clock.advance(minutes=1)
    await worker.run(burst=True)
    await run_until_idle(jobs)
    assert await job.result() == "Hello Ada"
"""
SYNC = """
import asyncio

from aiojobs_redis.testing import assert_enqueued


def test_without_a_loop(jobs):
    @jobs.task
    def greet(name): ...

    asyncio.run(greet.enqueue("Ada"))
    assert_enqueued(greet, "Ada")
"""
# One of the plugin's own warnings.
SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")
MODES = {
    "asyncio": ("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto", *SCOPE),
    "anyio": ("-p", "anyio.pytest_plugin", "-o", "anyio_mode=auto", "-p", "no:asyncio"),
}


def run(folder: Path, *arguments: str, **files: str) -> str:
    """Run tests in a process, with this plugin and no other but those named; its last line."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    plugin = ("-p", "aiojobs_redis.pytest_plugin")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()[-1]


@pytest.mark.parametrize("mode", MODES)
def test_the_fixtures_work_with_each_plugin_for_async_tests(tmp_path: Path, mode: str) -> None:
    conftest = "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    told = run(
        tmp_path,
        *MODES[mode],
        conftest=conftest,
        test_one=USES.format(number=1),
        test_two=USES.format(number=2),
        test_sync=SYNC,
    )
    assert "3 passed" in told


def test_a_fixture_of_the_application_comes_first(tmp_path: Path) -> None:
    conftest = "import pytest\n@pytest.fixture\ndef jobs():\n    return 'mine'\n"
    told = run(tmp_path, conftest=conftest, test_it="def test_it(jobs): assert jobs == 'mine'\n")
    assert "1 passed" in told


def test_a_run_that_does_not_ask_for_them_loads_nothing(tmp_path: Path) -> None:
    names = "aiojobs_redis.testing", "aiojobs_redis.queue", "redis", "fakeredis", "asyncio"
    told = run(
        tmp_path,
        test_it=f"import sys\ndef test_it(): assert not {{*{names}}} & sys.modules.keys()\n",
    )
    assert "1 passed" in told


def test_the_package_brings_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # A name of its own would let `-p` and `pytest_plugins` load it a second time, which is refused.
    module = "aiojobs_redis.pytest_plugin"
    assert project["entry-points"]["pytest11"] == {module: module}


def test_the_helpers_do_not_need_pytest() -> None:
    program = "import sys; sys.modules['pytest'] = None; import aiojobs_redis.testing"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
