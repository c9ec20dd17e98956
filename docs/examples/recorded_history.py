"""A worker process is killed in the middle of a job, and the history tells why the job ran twice.

Prints at the end: 2 runs of 1 job, because of lease_expired; 0 violations
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from aiojobs_redis import Queue, Worker, check_history, current_job

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
HISTORY = FOLDER / "history"

queue = Queue(
    "recorded",
    os.environ.get("AIOJOBS_REDIS_URL", f"embedded://{FOLDER}/redis"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)


@queue.task(lease=2)
async def add_up(numbers: int) -> int:
    if current_job().lost_deliveries == 0:
        await asyncio.sleep(60)
    return sum(range(numbers))


async def work() -> None:
    """Be the worker process that gets killed."""
    async with queue:
        queue.record_history(HISTORY)
        await Worker(queue).run()


def started() -> bool:
    return any('"start"' in path.read_text() for path in HISTORY.iterdir())


async def main() -> None:
    async with queue:
        with queue.record_history(HISTORY) as recorder:
            job = await add_up.enqueue(10)
            victim = subprocess.Popen([sys.executable, __file__, str(FOLDER)])
            while not started():  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.01)
            victim.kill()
            victim.wait()
            async with Worker(queue):
                print(f"result: {await job.result(timeout=20)}")
            recorder.mark("drained")
    report = check_history(HISTORY)
    print(
        f"{report.executions} runs of {report.jobs} job, because of {', '.join(report.causes)}; "
        f"{len(report.violations)} violations"
    )
    shutil.rmtree(FOLDER)


asyncio.run(work() if len(sys.argv) > 1 else main())
