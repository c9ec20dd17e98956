"""What a task may raise to say how its attempt ended is checked where it is made."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Edge, Job, Queue, WaitFor


@pytest.mark.parametrize(
    ("jobs", "text"),
    [
        ([], "takes at least one job, got none"),
        ("a", "takes a list of jobs or ids, got 'a'"),
        (b"a", "takes a list of jobs or ids, got b'a'"),
        (7, "takes a list of jobs or ids, got 7"),
        (Edge("a", "run"), "takes a list of jobs or ids, got Edge"),
        ([Edge("a", "run")], "an id in WaitFor must be a str, got Edge"),
        (["a", 7], "an id in WaitFor must be a str, got 7"),
        ([""], "an id in WaitFor must be 1 to 256 bytes"),
        ([f"a{n}" for n in range(251)], "WaitFor may name 250 jobs, got 251"),
    ],
)
def test_what_cannot_be_waited_for_is_refused_at_once(jobs: Any, text: str) -> None:
    with pytest.raises(ConfigInvalid, match=text):
        WaitFor(jobs)


def test_one_handle_is_no_list_and_each_job_counts_once() -> None:
    queue = Queue("jobs", "memory://")
    with pytest.raises(ConfigInvalid, match="takes a list of jobs or ids, got <Job"):
        WaitFor(queue.job("a"))  # type: ignore[arg-type]

    jobs: list[Job[Any] | str] = [queue.job("a"), "b", queue.job("a"), "b"]
    found = WaitFor(job for job in jobs)
    assert found.jobs == (("a", queue), ("b", None))
