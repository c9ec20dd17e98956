"""`/metrics` of the dashboard shows its queues to who may look, and to nobody else."""

from __future__ import annotations

import sys

import httpx2
import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.web import Dashboard
from tests.contrib.test_prometheus import by, labels, scraped
from tests.web.conftest import TOKEN, Reach, memory_queue


@pytest.mark.requirement("B38")
@pytest.mark.requirement("D32")
async def test_a_scrape_of_the_dashboard_has_the_values_of_the_api(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await web_queue.enqueue_many([web_queue.bind("add", n, n) for n in range(3)])
    await web_queue.enqueue("fail")
    await Worker(web_queue).run(burst=True)
    await web_queue.enqueue_many([web_queue.bind("add", n, n) for n in range(2)])

    answer = await client.get("/metrics")
    found = scraped(answer.content)
    counts = await web_queue.counts()

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    jobs = {state: int(value) for (state,), value in by(found[QUEUE_JOBS], "state").items()}
    assert (jobs["queued"], jobs["completed"], jobs["dead"]) == (2, 3, 1)
    assert jobs == {state: getattr(counts, state) for state in jobs}
    oldest = found["aiojobs_redis_queue_oldest_job_age_seconds"][labels(queue=web_queue.name)]
    assert counts.oldest_seconds is not None
    assert 0 <= oldest <= counts.oldest_seconds
    assert found["aiojobs_redis_queue_up"] == {labels(queue=web_queue.name): 1}


async def test_a_scrape_needs_the_token(reach: Reach) -> None:
    dashboard = Dashboard(memory_queue("private"), token=TOKEN)

    assert (await reach(dashboard).get("/metrics")).status_code == 401
    assert (await reach(dashboard, token=TOKEN).get("/metrics")).status_code == 200


async def test_without_the_extra_the_answer_names_the_line_that_installs_it(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "aiojobs_redis.contrib.prometheus", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    answer = await reach(Dashboard(memory_queue("plain"))).get("/metrics")

    assert answer.status_code == 501
    assert "pip install 'aiojobs-redis[prometheus]'" in answer.json()["detail"]


QUEUE_JOBS = "aiojobs_redis_queue_jobs"
