"""Takes the pictures of the dashboard for the documentation.

``python -m tests.docs.screenshots`` starts a server, workers and the dashboard over a small shop,
and writes ``docs/images/*.png``. The last hour of the charts is made up: nobody waits for an hour.
"""

from __future__ import annotations

import asyncio
import math
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import redis
import uvicorn
from playwright.async_api import Browser, async_playwright

from aiojobs_redis import Fixed, FromParents, Job, Queue, Worker, current_job, group, join
from aiojobs_redis.web import Dashboard
from tests.quality.paths import ROOT
from tests.support.servers import ServerProcess, find_servers, free_port
from tests.support.waiting import wait_until

IMAGES = ROOT / "docs" / "images"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Shop:
    """The queues and the tasks that the pictures show."""

    def __init__(self, url: str) -> None:
        self.mail = mail = Queue("mail", url)
        self.media = media = Queue("media", url)

        @mail.task(attempts=3, backoff=Fixed(600))
        async def send_email(to: str, *, subject: str, order: dict[str, Any]) -> dict[str, Any]:
            await current_job().log(f"connecting to mx.{to.partition('@')[2]}")
            await asyncio.sleep(random.uniform(0.02, 0.2))
            if "bounce" in to:
                raise ConnectionError(f"450 mailbox {to} is busy")
            await current_job().log("250 accepted for delivery")
            return {"accepted": True, "relay": "mx1.example.org"}

        @mail.task(attempts=1)
        async def charge(order: int, amount: float) -> None:
            raise TimeoutError("the payment gateway did not answer within 10 s")

        @mail.cron("0 7 * * 1-5", tz="Europe/Berlin")
        async def digest() -> None: ...

        @mail.cron("*/15 * * * *")
        async def sweep() -> None: ...

        @media.task(timeout=None)
        async def transcode(path: str, profile: dict[str, Any]) -> None:
            for done in range(26):
                await current_job().progress(done, total=60, note=f"segment {done}")
                await current_job().log(f"segment {done:02} of 60 written")
                await asyncio.sleep(0.05)
            await asyncio.Event().wait()

        @media.task
        async def thumbnail(path: str, second: int) -> str:
            return f"{path}.{second}.png"

        @media.task
        async def publish(parts: FromParents[str]) -> int:
            return len(parts)

        self.send_email, self.charge = send_email, charge
        self.transcode, self.thumbnail = transcode, thumbnail

    async def fill(self) -> dict[str, Job[Any]]:
        """Enqueue something of everything; the jobs that have a picture of their own."""
        order = {"id": 4711, "items": [{"sku": "A-17", "count": 2}, {"sku": "B-3", "count": 1}]}
        mails = [
            self.send_email.options(priority=random.choice((0, 0, 5))).bind(
                f"{name}@example.org", subject="Your invoice", order=order | {"id": 4711 + n}
            )
            for n, name in enumerate(("ada", "grace", "edsger", "barbara", "donald") * 30)
        ]
        sent = await self.mail.enqueue_many(mails)
        await self.mail.enqueue_many([self.charge.bind(n, 19.9) for n in range(6)])
        await self.send_email.enqueue("bounce@example.org", subject="Hello", order=order)
        for n in range(12):
            await self.send_email.options(delay=600 + 60 * n).enqueue(
                f"customer{n}@example.org", subject="How was it?", order=order
            )
        profile = {"codecs": ["av1", "opus"], "width": 1920, "height": 1080, "hdr": False}
        films = [await self.transcode.enqueue(f"/films/{n}.mov", profile) for n in range(3)]
        thumbs = [self.thumbnail.bind("/films/0.mov", second) for second in (10, 60, 300)]
        flow = await self.media.enqueue_flow(join(group(*thumbs), self.media.bind("publish")))
        poster = self.thumbnail.bind("/films/poster.mov", 1)
        await self.media.schedule("nightly", poster, cron="30 2 * * *", tz="America/New_York")
        await self.media.schedule("pulse", poster, every=3600)
        await self.media.pause_schedule("pulse")
        await self.mail.limit(concurrency=8, task="send_email")
        return {"sent": sent[0], "film": films[0], "flow": flow[-1]}


def make_up_an_hour(url: str) -> None:
    """Write counts of the last hour beside those of this minute, as `tally.lua` does."""
    now = int(time.time() // 60)
    tasks = {("mail", "send_email"): 90, ("mail", "charge"): 6, ("media", "thumbnail"): 30}
    with redis.Redis.from_url(url) as client:
        for back in range(1, 60):
            # A wave with some noise, and ten minutes in which the gateway was away.
            wave = 1 + 0.5 * math.sin(back / 9) + random.uniform(-0.15, 0.15)
            for (queue, task), usual in tasks.items():
                away = 22 <= back <= 31 and task == "charge"
                done = 0 if away else int(usual * wave)
                dead = int(usual * wave) if away else 0
                failed = int(usual * wave * 0.03) + dead
                milliseconds = int((done + failed + dead) * random.uniform(90, 130) * wave)
                counted = {"enqueued": done + dead, "completed": done, "failed": failed}
                counted |= {"dead": dead, "ms": milliseconds}
                key, minute = f"ajr:{{{queue}}}:stats", now - back
                names = "".join(f",{name}" for where, name in tasks if where == queue)
                client.hset(key, str(minute), names)
                for what, number in counted.items():
                    client.hset(key, f"{minute},{task},{what}", number)
                client.hset(key, f"{minute},,oldest", int(1000 * max(0, wave - 1) * usual / 10))


async def settled(shop: Shop) -> None:
    """Wait until all but the films has ended."""

    async def only_films() -> bool:
        mail, media = await shop.mail.counts(), await shop.media.counts()
        busy = mail.queued + mail.running + mail.blocked + media.queued + media.blocked
        progress = [job.progress for job in await shop.media.jobs("running")]
        waits = len(progress) == 3 and all(each and each.done == 25 for each in progress)
        return waits and not busy

    await wait_until(only_films, "all but the films to end", 120)


def paths_of(jobs: dict[str, Job[Any]], dead: str) -> dict[str, str]:
    """Return what is shown on which picture; its name without ``.png``."""

    def path(job: Job[Any]) -> str:
        return f"/queues/{job.queue.name}/job?id={job.id}"

    return {
        "overview": "/",
        "queues": "/queues",
        "queue": "/queues/mail",
        "jobs": "/jobs?state=completed&q=task%3Asend_email",
        "job": path(jobs["film"]),
        "job-dead": f"/queues/mail/job?id={dead}",
        "flow": path(jobs["flow"]),
        "dead": "/dead",
        "workers": "/workers",
        "schedules": "/schedules",
        "tasks": "/tasks",
        "redis": "/redis",
    }


async def take(browser: Browser, base: str, paths: dict[str, str]) -> None:
    """Write the pictures: all in light, the overview in dark, the jobs on a phone."""
    shots: list[tuple[str, str, Literal["light", "dark"], int, int]] = [
        (name, path, "light", 1200, 780) for name, path in paths.items()
    ]
    shots.append(("overview-dark", paths["overview"], "dark", 1200, 780))
    shots.append(("jobs-phone", paths["jobs"], "light", 360, 740))
    for name, path, theme, width, height in shots:
        page = await browser.new_page(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
        )
        await page.goto(base + path)
        await page.wait_for_load_state("networkidle")
        file = IMAGES / f"{name}.png"
        await page.screenshot(path=file)
        await page.close()
        size = file.stat().st_size
        print(f"{file.relative_to(ROOT)} {size / 1000:.0f} kB")
        assert size < 150_000, f"{file} has {size} bytes"


async def main() -> None:
    """Write the pictures."""
    random.seed(4711)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options = ("--appendonly", "yes", "--maxmemory", "256mb")
        server = ServerProcess(find_servers()["valkey"], Path(folder), *options, port=free_port())
        server.start()
        try:
            await picture(server.url)
        finally:
            server.remove()


async def picture(url: str) -> None:
    """Fill the shop, serve the dashboard, take the pictures."""
    chromium = shutil.which("chromium")
    assert chromium, "install Chromium: apt-get install chromium"
    make_up_an_hour(url)
    shop, port = Shop(url), free_port()
    dashboard = Dashboard([shop.mail, shop.media], read_only=False)
    config = uvicorn.Config(dashboard, port=port, log_level="error", lifespan="off")
    serving = uvicorn.Server(config)
    mail, media = Worker(shop.mail, concurrency=10), Worker(shop.media, concurrency=4)
    async with mail, media, async_playwright() as playwright:
        task = asyncio.create_task(serving.serve())
        jobs = await shop.fill()
        await settled(shop)
        [dead, *_] = await shop.mail.dead_letters("charge")
        browser = await playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        await take(browser, f"http://127.0.0.1:{port}", paths_of(jobs, dead.id))
        await browser.close()
        serving.should_exit = True
        await task
        for job in await shop.media.jobs("running"):
            await shop.media.job(job.id).cancel()


if __name__ == "__main__":
    asyncio.run(main())
