"""`queue`, and what `job` and `dead` do to jobs: what they change, refuse, and ask before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aiojobs_redis import JobState, Queue
from aiojobs_redis._redis.remover import Remover
from aiojobs_redis.errors import QueueUnavailable
from tests.cli.conftest import App


@pytest.fixture
def filled(app: App) -> App:
    """Two dead jobs of different errors, one completed, two queued, one scheduled, a schedule."""

    async def before(queue: Queue) -> None:
        await queue.enqueue("add", 1, id="done")
        await queue.enqueue("fail", "x", id="dead-1")
        await queue.enqueue("stumble", id="dead-2")

    async def after(queue: Queue) -> None:
        await queue.enqueue("add", 5, id="next")
        await queue.enqueue("add", 6, id="after")
        await queue.enqueue("add", 7, id="later", delay=600)

    app.do(before)
    app.work()
    app.do(after)
    return app


def states(app: App) -> dict[str, JobState | None]:
    ids = ["done", "dead-1", "dead-2", "next", "after", "later"]
    found = app.do(lambda queue: queue.states(ids))
    return {id: state for id, state in found.items() if state is not None}


def test_the_queues_of_an_application_are_listed(filled: App) -> None:
    result = filled.run("queue", "ls", f"{filled.module}:both", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["queue"], row["queued"], row["dead"]) for row in rows] == [
        (filled.name, 2, 2),
        (f"{filled.name}-b", 0, 0),
    ]
    shown = filled.run("queue", "show", "APP")
    assert "scheduled\t1" in shown.stdout.splitlines()


def test_a_queue_is_paused_and_resumed(filled: App) -> None:
    said = [filled.run("queue", what, "APP").stdout for what in ("pause", "pause", "resume")]
    assert said == [
        f"queue {filled.name} is paused\n",
        f"queue {filled.name} is paused already\n",
        f"queue {filled.name} goes on\n",
    ]
    assert not filled.do(lambda queue: queue.counts()).paused


def test_a_drain_shows_the_number_and_asks(filled: App) -> None:
    refused = filled.run("queue", "drain", "APP", text="n\n")
    assert (refused.exit_code, len(states(filled))) == (1, 6)
    assert f"Remove 2 waiting jobs of queue {filled.name}?" in refused.output
    nobody = filled.run("queue", "drain", "APP", text="")
    assert (nobody.exit_code, len(states(filled))) == (1, 6)

    drained = filled.run("queue", "drain", "APP", text="y\n")
    assert drained.output.endswith("2 removed\n")
    assert filled.run("queue", "drain", "APP").stdout == "0 removed\n"
    assert filled.run("queue", "drain", "APP", "--scheduled", "--yes").stdout == "1 removed\n"
    assert set(states(filled)) == {"done", "dead-1", "dead-2"}


def test_a_clean_removes_what_the_options_leave(filled: App) -> None:
    young = filled.run(
        "queue", "clean", "APP", "--state", "completed", "--older-than", "60", "--yes"
    )
    assert young.stdout == "0 removed\n"
    by_error = ("--error", "LookupError", "--limit", "5")
    asked = filled.run("queue", "clean", "APP", "--state", "dead", *by_error, text="y\n")
    assert "of the 2 dead jobs" in asked.output
    assert asked.output.endswith("1 removed\n")
    assert "dead-2" not in states(filled)
    assert filled.run("queue", "clean", "APP", "--state", "running", "--yes").exit_code == 2
    assert filled.run("queue", "clean", "APP", "--yes").exit_code == 2


def test_a_promotion_of_many_shows_the_number_and_asks(filled: App) -> None:
    refused = filled.run("queue", "promote", "APP", text="n\n")
    assert (refused.exit_code, states(filled)["later"]) == (1, JobState.SCHEDULED)
    assert "Promote 1 job of queue" in refused.output
    other = filled.run("queue", "promote", "APP", "--key", "nobody", "--yes")
    assert other.stdout == "0 promoted\n"
    asked = filled.run("queue", "promote", "APP", "--limit", "5", text="y\n")
    assert asked.output.endswith("1 promoted\n")
    assert states(filled)["later"] is JobState.QUEUED
    assert filled.run("queue", "promote", "APP").stdout == "0 promoted\n"


def test_a_queue_is_deleted_only_when_it_is_meant(filled: App) -> None:
    kept = filled.run("queue", "destroy", "APP", text="y\n")
    assert (kept.exit_code, len(states(filled))) == (1, 6)
    assert "has 3 jobs still to end" in kept.stderr
    forced = filled.run("queue", "destroy", "APP", "--yes")
    assert (forced.exit_code, len(states(filled))) == (1, 6)
    assert "0 running and 3 waiting jobs" in forced.stderr
    assert "delete them too with --force" in forced.stderr
    refused = filled.run("queue", "destroy", "APP", "--force", text="n\n")
    assert (refused.exit_code, len(states(filled))) == (1, 6)
    assert "with 6 jobs and 1 schedule?" in refused.output
    assert filled.run("queue", "destroy", "APP", "--force", "--yes").exit_code == 0
    assert states(filled) == {}


def test_jobs_are_cancelled_promoted_retried_and_removed(filled: App) -> None:
    assert filled.run("job", "cancel", "APP", "next", "-r", "wrong").stdout == "1 cancelled\n"
    assert filled.run("job", "promote", "APP", "later").stdout == "1 promoted\n"
    assert filled.run("job", "retry", "APP", "next", "dead-1").stdout == "2 queued again\n"
    assert states(filled) == {
        "done": JobState.COMPLETED,
        "dead-1": JobState.QUEUED,
        "dead-2": JobState.DEAD,
        "next": JobState.QUEUED,
        "after": JobState.QUEUED,
        "later": JobState.QUEUED,
    }
    refused = filled.run("job", "remove", "APP", "done", "later", text="n\n")
    assert (refused.exit_code, len(states(filled))) == (1, 6)
    assert filled.run("job", "remove", "APP", "done", "later", "--yes").stdout == "2 removed\n"
    assert set(states(filled)) == {"dead-1", "dead-2", "next", "after"}


@pytest.mark.parametrize(
    ("what", "id", "message"),
    [
        ("cancel", "done", "job done has ended: it is completed. Nothing was changed"),
        ("cancel", "nowhere", "no record of job nowhere"),
        ("promote", "next", "it is queued. Nothing was changed"),
        ("retry", "next", "has not finished yet"),
        ("remove", "nowhere", "no record of job nowhere"),
    ],
)
def test_what_cannot_be_done_is_named_and_the_rest_is_done(
    filled: App, what: str, id: str, message: str
) -> None:
    good = {"cancel": "after", "promote": "later", "retry": "done", "remove": "done"}[what]
    yes = ["--yes"] if what == "remove" else []
    result = filled.run("job", what, "APP", id, good, *yes)
    assert result.exit_code == 1
    assert result.stdout.startswith("1 ")
    assert message in result.stderr


def test_dead_letters_are_removed_by_id_and_by_filter(filled: App) -> None:
    wrong = filled.run("dead", "remove", "APP", "dead-1", "done", "--yes")
    assert (wrong.exit_code, len(states(filled))) == (1, 6)
    assert f"not a dead letter of queue {filled.name}: done is completed" in wrong.stderr
    refused = filled.run("dead", "remove", "APP", "--all", text="n\n")
    assert "Remove 2 dead letters" in refused.output
    assert (refused.exit_code, len(states(filled))) == (1, 6)
    by_error = filled.run("dead", "remove", "APP", "--all", "--error", "ValueError", "--yes")
    assert by_error.stdout == "1 removed\n"
    assert "dead-1" not in states(filled)
    assert filled.run("dead", "remove", "APP", "dead-2", "dead-2", "--yes").stdout == "1 removed\n"
    assert filled.run("dead", "remove", "APP", "--all", "--yes").stdout == "0 removed\n"
    assert filled.run("dead", "remove", "APP").exit_code == 2
    assert filled.run("dead", "remove", "APP", "x", "--task", "add").exit_code == 2


def test_a_dead_letter_that_is_replayed_before_its_removal_stays(
    filled: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = Remover.remove

    async def late(self: Remover, *args: Any) -> str:
        # Somebody else is faster.
        await self._store.ask_once("replay", "cdx", "dead-1")
        return await remove(self, *args)

    monkeypatch.setattr(Remover, "remove", late)
    result = filled.run("dead", "remove", "APP", "dead-1", "--yes")

    assert (result.exit_code, result.stdout) == (0, "0 removed\n")
    assert states(filled)["dead-1"] == JobState.QUEUED


def test_a_dead_letter_that_somebody_else_replayed_does_not_run_again(
    filled: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    states_of = Queue.states

    async def early(self: Queue, ids: Sequence[str]) -> dict[str, JobState | None]:
        found = await states_of(self, ids)
        # Somebody else replays it, and it is cancelled: it has ended, and is not dead.
        await self.job("dead-1").retry()
        await self.job("dead-1").cancel()
        return found

    monkeypatch.setattr(Queue, "states", early)
    result = filled.run("dead", "replay", "APP", "dead-1", "dead-2")
    monkeypatch.undo()

    assert (result.exit_code, result.stdout) == (0, "1 replayed\n")
    found = states(filled)
    assert (found["dead-1"], found["dead-2"]) == (JobState.CANCELLED, JobState.QUEUED)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("cancel", "it is cancelled"),
        ("promote", "it is queued"),
        ("retry", "has not finished yet"),
        ("remove", "there is no record"),
    ],
)
def test_a_job_that_changed_after_the_question_stays_as_it_became(
    filled: App, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    first, second = {"promote": ("later", "later-2"), "retry": ("dead-1", "dead-2")}.get(
        what, ("next", "after")
    )
    note = Queue.note_action

    async def slow(self: Queue, who: str, action: str, job: str | None, *rest: Any) -> str:
        # Between the note of what is asked for and the deed somebody else is faster.
        noted = await note(self, who, action, job, *rest)
        if job == first and rest[-1] is None:
            # With a reason of its own: the same call twice within a millisecond is one.
            await getattr(self.job(first), what)(*["theirs"] * (what == "cancel"))
        return noted

    monkeypatch.setattr(Queue, "note_action", slow)
    filled.do(lambda queue: queue.enqueue("add", 1, id="later-2", delay=60))
    result = filled.run("job", what, "APP", first, second, *["--yes"] * (what == "remove"))

    assert result.exit_code == 1
    assert result.stdout.startswith("1 ")
    assert first in result.stderr
    assert message in result.stderr


def test_what_was_done_before_redis_went_away_is_told(
    filled: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Queue.note_action

    async def cut(self: Queue, who: str, action: str, job: str | None, *rest: Any) -> str:
        if job == "after":
            raise QueueUnavailable("Redis is not available")
        return await note(self, who, action, job, *rest)

    monkeypatch.setattr(Queue, "note_action", cut)
    result = filled.run("job", "cancel", "APP", "next", "after")

    assert (result.exit_code, result.stdout) == (3, "1 cancelled\n")


def test_an_id_that_is_given_twice_is_one_job(filled: App) -> None:
    result = filled.run("job", "retry", "APP", "dead-1", "dead-1")

    assert (result.exit_code, result.stdout) == (0, "1 queued again\n")
