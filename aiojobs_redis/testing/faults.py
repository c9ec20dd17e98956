"""Attempts that fail on purpose."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aiojobs_redis.context import current_jobs
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.policy import policy_of
from aiojobs_redis.testing.given import task_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from aiojobs_redis.task import Task

__all__ = ["failing"]


@contextlib.contextmanager
def failing(
    task: Task[..., Any], times: int = 1, error: BaseException | type[BaseException] | None = None
) -> Generator[None]:
    """Let the first attempts of each job of a task fail, in this process.

    Args:
        task: The task; its function is not called in those attempts.
        times: How many attempts of a job fail.
        error: What they raise; `ConnectionError` by default.

    Raises:
        ConfigInvalid: It is no task, ``times`` is no whole number from 0, or the task runs in
            processes, which do not see this.
    """
    task = task_of("failing", task)
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise ConfigInvalid(f"times must be a whole number from 0, got {times!r:.80}")
    if policy_of(task).executor == "process":
        raise ConfigInvalid(
            f"{task.name} runs in a process of its own, which does not see that it is to fail: "
            "let its function fail there"
        )
    function = task.function
    raised = ConnectionError("made to fail by testing.failing()") if error is None else error

    def refuse() -> None:
        if current_jobs()[0].attempt <= times:
            raise raised

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        refuse()
        return await function(*args, **kwargs)

    def called(*args: Any, **kwargs: Any) -> Any:
        refuse()
        return function(*args, **kwargs)

    task.function = awaited if task.is_async else called
    try:
        yield
    finally:
        task.function = function
