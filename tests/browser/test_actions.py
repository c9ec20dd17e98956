"""Every action of the pages, done by clicks on a real queue."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from aiojobs_redis import Job, JobState, Worker
from tests.browser.axe import faults_of
from tests.browser.conftest import Tab
from tests.support.stage import Stage


def path_of(job: Job[Any]) -> str:
    return f"/queues/{job.queue.name}/job?id={job.id}"


def reached(stage: Stage, job: Job[Any], state: JobState | None) -> None:
    """Wait until a job is in a state."""

    async def holds() -> bool:
        return await job.state() == state

    stage.wait(holds, f"{job.id} to be {state}")


def test_a_scheduled_job_is_given_time_and_priority_and_is_promoted(tab: Tab, stage: Stage) -> None:
    job = stage.run(stage.queue.enqueue("greet", "Eve", delay=3600))
    page = tab.open(path_of(job))
    page.get_by_label("Run in seconds").fill("7200")
    page.get_by_role("button", name="Reschedule").click()
    expect(page.locator(".notice")).to_have_text("1 job has another time.")
    page.get_by_label("Priority").fill("9")
    page.get_by_role("button", name="Set").click()
    expect(page.locator(".notice")).to_have_text("1 job has another priority.")
    info = stage.run(job.info())
    assert info is not None
    assert info.priority == 9
    assert (info.run_at - info.enqueued_at).total_seconds() > 7000
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".notice")).to_have_text("1 job runs now.")
    reached(stage, job, JobState.COMPLETED)


def test_a_running_job_is_cancelled_and_a_finished_one_removed(tab: Tab, stage: Stage) -> None:
    job = stage.run(stage.queue.enqueue("hold", "me"))
    reached(stage, job, JobState.RUNNING)
    page = tab.open(path_of(job))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".notice")).to_have_text("1 job cancelled.")
    reached(stage, job, JobState.CANCELLED)
    page = tab.open(path_of(job))
    page.get_by_role("button", name="Remove…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Remove 1 job?")
    page.get_by_role("link", name="No, go back").click()
    assert stage.run(job.state()) is JobState.CANCELLED
    page = tab.open(path_of(job))
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.locator(".notice")).to_have_text("1 job removed.")
    assert stage.run(job.state()) is None


def test_a_dead_job_runs_again_and_a_copy_is_enqueued(tab: Tab, stage: Stage) -> None:
    job = stage.run(stage.queue.enqueue("fail", "again", priority=3, key="acct", attempts=1))
    reached(stage, job, JobState.DEAD)
    page = tab.open(path_of(job))
    page.get_by_role("button", name="Run again").click()
    expect(page.locator(".notice")).to_have_text("1 job runs again.")
    reached(stage, job, JobState.DEAD)
    info = stage.run(job.info())
    assert info is not None
    assert info.generation == 2
    page = tab.open(path_of(job))
    page.get_by_role("button", name="Enqueue a copy").click()
    expect(page.locator(".notice")).to_have_text("1 job enqueued.")

    async def copied() -> bool:
        dead = await stage.queue.dead_letters("fail", "LookupError")
        same = [
            each for each in dead if (each.args, each.priority, each.key) == (["again"], 3, "acct")
        ]
        return len(same) == 2

    stage.wait(copied, "the copy to be dead as well")


def test_jobs_that_were_ticked_are_changed_together(tab: Tab, stage: Stage) -> None:
    queue = stage.queue
    jobs = stage.run(
        queue.enqueue_many([queue.bind("greet", f"ticked {n}", delay=900) for n in range(3)])
    )
    page = tab.open(f"/jobs?state=scheduled&queue={queue.name}&q=ticked")
    page.get_by_label(f"Select job {jobs[0].id}").check()
    page.get_by_label(f"Select job {jobs[2].id}").check()
    expect(page.locator("#ticked")).to_have_text("2 selected")
    page.get_by_role("button", name="Cancel selected").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 2 jobs?")
    page.get_by_role("button", name="Cancel them").click()
    expect(page.locator(".notice")).to_have_text("2 jobs cancelled.")
    assert [stage.run(job.state()) for job in jobs] == ["cancelled", "scheduled", "cancelled"]
    page.get_by_label("Select all jobs of this page").check()
    expect(page.locator("#ticked")).to_have_text("1 selected")


def test_all_jobs_that_match_a_search_are_changed_with_their_number(tab: Tab, stage: Stage) -> None:
    queue = stage.other
    stage.run(queue.enqueue_many([queue.bind("greet", f"match {n}") for n in range(60)]))
    stage.run(queue.enqueue("fail", "stays"))
    page = tab.open(f"/jobs?state=queued&queue={queue.name}&q=task%3Agreet")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_text("All 60 matching").click()
    page.get_by_role("button", name="Remove all 60…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Remove all 60 queued jobs that match?"
    )
    page.get_by_role("button", name="Remove them").click()
    expect(page.locator(".notice")).to_have_text("60 jobs removed.")
    assert stage.run(queue.counts()).queued == 1
    stage.run(queue.drain())


def test_dead_letters_are_replayed_and_removed_by_task_and_error(tab: Tab, stage: Stage) -> None:
    queue = stage.queue
    job = stage.run(queue.enqueue("fail", "grouped"))
    reached(stage, job, JobState.DEAD)
    page = tab.open(f"/dead?queue={queue.name}")
    page.get_by_role("button", name="Run the dead jobs of fail with LookupError again").click()
    expect(page.locator("h1")).to_contain_text("of the task fail that ended by LookupError again?")
    page.get_by_role("button", name="Run them again").click()
    expect(page.locator(".notice")).to_contain_text(re.compile("run again|runs again"))
    reached(stage, job, JobState.DEAD)
    page = tab.open(f"/dead?queue={queue.name}")
    page.get_by_role("button", name="Remove the dead jobs of fail with LookupError").click()
    page.get_by_role("button", name="Remove them").click()
    expect(page.locator(".notice")).to_contain_text("removed.")
    assert stage.run(job.state()) is None


def test_dead_letters_are_replayed_a_few_first_and_those_before_a_moment(
    tab: Tab, stage: Stage
) -> None:
    queue = stage.queue
    jobs = [stage.run(queue.enqueue("fail", f"few {n}")) for n in range(2)]
    for job in jobs:
        reached(stage, job, JobState.DEAD)
    page = tab.open(f"/dead?queue={queue.name}")
    page.get_by_role("button", name="Run all").click()
    expect(page.get_by_label("At most")).to_be_visible()
    assert faults_of(page) == []
    page.get_by_label("Ended before (UTC)").fill("2020-02-29T12:30")
    page.get_by_role("button", name="Run them again").click()
    expect(page.locator(".notice")).to_have_text("0 dead jobs run again.")
    page = tab.open(f"/jobs?state=dead&queue={queue.name}&q=task%3Afail")
    page.get_by_text(re.compile("^All .* matching")).click()
    page.get_by_role("button", name=re.compile("^Retry all")).click()
    page.get_by_label("At most").fill("1")
    page.get_by_role("button", name="Run them again").click()
    expect(page.locator(".notice")).to_have_text("1 job runs again.")


def test_a_queue_is_paused_resumed_limited_and_drained(tab: Tab, stage: Stage) -> None:
    queue = stage.other
    stage.run(queue.enqueue_many([queue.bind("greet", str(n)) for n in range(4)]))
    page = tab.open("/queues")
    page.get_by_role("button", name=f"Pause {queue.name}").click()
    expect(page.locator(".notice")).to_contain_text("The queue is paused")
    assert stage.run(queue.counts()).paused
    page = tab.open(f"/queues/{queue.name}")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".notice")).to_have_text("The queue goes on.")
    assert not stage.run(queue.counts()).paused
    page.get_by_label("At once").fill("2")
    page.get_by_label("Starts").fill("50")
    page.get_by_label("in seconds").fill("60")
    page.get_by_label("Task").fill("greet")
    page.get_by_role("button", name="Set limit").click()
    expect(page.locator(".notice")).to_have_text("The limit is in force.")
    [limit] = stage.run(queue.limits())
    assert (limit.task, limit.concurrency, limit.rate) == ("greet", 2, (50, 60.0))
    page.get_by_text("Edit", exact=True).click()
    form = page.locator("details.edit[open]")
    expect(form.get_by_label("Starts")).to_have_value("50")
    form.get_by_label("At once").fill("6")
    form.get_by_role("button", name="Save").click()
    expect(page.locator(".notice")).to_have_text("The limit is in force.")
    [limit] = stage.run(queue.limits())
    assert (limit.task, limit.concurrency, limit.rate) == ("greet", 6, (50, 60.0))
    page.get_by_role("button", name="Take away").click()
    expect(page.locator(".notice")).to_have_text("The limit is taken away.")
    assert stage.run(queue.limits()) == []
    page.get_by_role("button", name="Drain…").click()
    page.get_by_role("button", name="Remove 4 jobs").click()
    expect(page.locator(".notice")).to_have_text("4 waiting jobs removed.")
    assert stage.run(queue.counts()).queued == 0
    actions = page.get_by_role("region", name="Who did what")
    expect(actions).to_contain_text("drain")
    expect(actions).to_contain_text("local user at 127.0.0.1")


def test_a_schedule_runs_now_is_paused_resumed_and_removed(tab: Tab, stage: Stage) -> None:
    queue = stage.queue
    stage.run(queue.schedule("daily", queue.bind("greet", "day"), cron="0 5 * * *"))
    page = tab.open("/schedules")
    page.get_by_role("button", name="Run daily now").click()
    expect(page.locator(".notice")).to_have_text("The schedule has made a job.")
    page.get_by_role("button", name="Pause daily").click()
    expect(page.locator(".schedule")).to_contain_text("It is paused")
    assert stage.run(queue.schedules())[0].next_at is None
    page.get_by_role("button", name="Resume daily").click()
    expect(page.locator(".ticks li")).to_have_count(5)
    page.get_by_role("button", name="Remove daily").click()
    page.get_by_role("button", name="Remove the schedule").click()
    expect(page.locator(".empty")).to_contain_text("No schedules.")
    assert stage.run(queue.schedules()) == []


def test_a_worker_is_quieted_resumed_and_stopped(tab: Tab, stage: Stage) -> None:
    async def start() -> tuple[Worker, asyncio.Task[None]]:
        worker = Worker(stage.other)
        return worker, asyncio.create_task(worker.run())

    async def seen() -> bool:
        return [info.id for info in await stage.other.workers()] == [worker.id]

    worker, run = stage.run(start())
    stage.wait(seen, "the worker")
    page = tab.open(f"/workers?queue={stage.other.name}")
    page.get_by_role("button", name=f"Let {worker.id} claim no more jobs").click()
    expect(page.locator(".notice")).to_contain_text("The worker is asked to be quiet")
    expect(page.locator(".pill.paused")).to_have_text("quiet")
    expect(page.locator("main")).to_contain_text("it takes no job until it is to go on")
    page.get_by_role("button", name=f"Let {worker.id} claim jobs again").click()
    expect(page.locator(".pill.paused")).to_have_count(0)
    page.get_by_role("button", name=f"Stop {worker.id}").click()
    expect(page.get_by_role("heading", name=f"Stop the worker {worker.id}?")).to_be_visible()
    page.get_by_role("button", name="Stop the worker").click()
    expect(page.locator(".empty")).to_contain_text("No worker was seen in the last minute.")
    stage.run(asyncio.wait_for(run, 10))


def test_an_action_that_is_not_possible_says_why_and_changes_nothing(
    tab: Tab, stage: Stage
) -> None:
    job = stage.run(stage.other.enqueue("greet", "late", delay=3600))
    page = tab.open(path_of(job))
    stage.run(job.cancel())
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("That was not possible")
    expect(page.locator("main")).to_contain_text("it is cancelled. Nothing was changed.")
    tab.faults.clear()  # the browser reports the 409


@pytest.mark.requirement("B37")
def test_who_may_only_look_sees_no_button_and_is_refused(browser: Browser, stage: Stage) -> None:
    reader = Stage(stage.queue.store.server.label, read_only=True)
    reader.start()
    try:
        job = reader.run(reader.other.enqueue("greet", "x", delay=600))
        page = browser.new_page()
        for path in ("/", "/queues", f"/queues/{reader.other.name}", path_of(job), "/dead"):
            page.goto(reader.url + path)
            assert page.locator("main form[method=post] button").count() == 0, path
        expect(page.locator("footer")).to_contain_text("read-only")
        expect(page.locator("aside.only-looking")).to_contain_text("Read-only: ")
        assert faults_of(page) == []
        answer = page.request.post(
            f"{reader.url}/do/cancel?queue={reader.other.name}&id={job.id}",
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert answer.status == 403
        assert reader.run(job.state()) is JobState.SCHEDULED
        page.close()
    finally:
        reader.stop()


def test_a_browser_logs_in_with_the_token_and_out_again(browser: Browser, stage: Stage) -> None:
    token = "a-token-of-the-tests-0123456789"
    guarded = Stage(stage.queue.store.server.label, token=token)
    guarded.start()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{guarded.url}/queues?x=1")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        page.goto(f"{guarded.url}/queues")
        page.get_by_role("button", name=f"Pause {guarded.queue.name}", exact=True).click()
        expect(page.locator(".notice")).to_contain_text("The queue is paused")
        [cookie] = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Token")).to_be_visible()
    finally:
        context.close()
        guarded.stop()
