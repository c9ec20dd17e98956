"""The application of the deployment: a queue, and a task that runs once a minute."""

from __future__ import annotations

from aiojobs_redis import Queue

queue = Queue("shop")


@queue.task
async def send_email(to: str) -> str:
    return f"sent to {to}"


@queue.cron("* * * * *", missed="skip")
async def heartbeat() -> None:
    """Show that schedules tick."""
