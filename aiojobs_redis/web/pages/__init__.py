"""The pages of the dashboard: HTML that is made here, one template a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from aiojobs_redis.web.pages.changes import change
from aiojobs_redis.web.pages.dead import dead_page
from aiojobs_redis.web.pages.errors import error_page
from aiojobs_redis.web.pages.job import job_page
from aiojobs_redis.web.pages.jobs import jobs_page
from aiojobs_redis.web.pages.overview import overview
from aiojobs_redis.web.pages.queues import one_queue, queues_page
from aiojobs_redis.web.pages.schedules import schedules_page
from aiojobs_redis.web.pages.server import server_page
from aiojobs_redis.web.pages.tasks import tasks_page
from aiojobs_redis.web.pages.workers import workers_page

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

__all__ = ["error_page", "routes"]

routes: list[BaseRoute] = [
    Route("/", overview, name="overview"),
    Route("/queues", queues_page),
    Route("/queues/{queue}", one_queue),
    Route("/queues/{queue}/job", job_page),
    Route("/jobs", jobs_page),
    Route("/dead", dead_page),
    Route("/workers", workers_page),
    Route("/schedules", schedules_page),
    Route("/tasks", tasks_page),
    Route("/redis", server_page),
    Route("/do/{action}", change, methods=["POST"]),
]
