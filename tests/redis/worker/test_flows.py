"""Flows: enqueued at once, shown as a tree, cancelled and run again as a whole."""

from __future__ import annotations

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fail,
    FromParents,
    JobFailed,
    JobNotFound,
    JobState,
    Queue,
    QueueFull,
    Worker,
    chain,
    group,
    join,
)


@pytest.mark.requirement("B13", "B14")
async def test_a_flow_runs_in_its_order_and_hands_results_on(queue: Queue) -> None:
    @queue.task
    async def start(number: int) -> int:
        return number

    @queue.task
    async def double(before: FromParents[int] = ()) -> int:
        return 2 * sum(before)

    flow = chain(
        group(start.bind(1), start.bind(2)),
        double.bind(),
        join(
            group(double.bind(), double.bind(), chain(double.bind(), double.bind())), double.bind()
        ),
    )
    handles = await queue.enqueue_flow(flow)
    again = await queue.enqueue_flow(flow)
    await Worker(queue, concurrency=3).run(burst=True)

    # 3, doubled 6; three times doubled 12, one of them once more 24; all of them doubled.
    assert await handles[-1].result(5) == (12 + 12 + 24) * 2
    assert await again[-1].result(5) == 96
    assert len({job.id for job in [*handles, *again]}) == 2 * len(flow.steps)
    assert all(job.created for job in handles)


async def test_a_flow_is_added_whole_or_not_at_all(server_url: str, queue_name: str) -> None:
    async with Queue(queue_name, url=server_url, namespace="test", max_length=3) as queue:

        @queue.task
        async def work() -> None: ...

        with pytest.raises(QueueFull):
            await queue.enqueue_flow(chain(*[work.bind()] * 4))
        with pytest.raises(JobNotFound):
            await queue.enqueue_flow(chain(work.bind(), work.options(depends_on=["no"]).bind()))
        assert await queue.jobs(JobState.QUEUED) == []
        await queue.enqueue_flow(chain(*[work.bind()] * 3))
        counts = await queue.counts()
        assert (counts.queued, counts.blocked) == (1, 2)


async def test_a_flow_over_the_limit_is_refused_with_the_limit(queue: Queue) -> None:
    @queue.task
    async def work(data: bytes = b"") -> None: ...

    calls = [work.bind() for _ in range(250)]
    wide = join(group(*calls[:40]), group(*calls[:40]))
    large = chain(*(work.bind(b"x" * 1_000_000) for _ in range(5)))

    for flow in (group(*calls, work.bind()), wide, large):
        with pytest.raises(ConfigInvalid, match=r"250 jobs, 1000 dependencies and 4194304 bytes"):
            await queue.enqueue_flow(flow)
    handles = await queue.enqueue_flow(join(group(*calls[:249]), work.bind()))
    assert len(handles) == 250


async def test_a_unique_job_is_no_part_of_a_flow(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    once = work.options(unique="once")
    with pytest.raises(ConfigInvalid, match="a job of 'work' is unique, and those of a flow"):
        await queue.enqueue_flow(chain(once.bind(), work.bind()))
    first = await once.enqueue()
    with pytest.raises(ConfigInvalid, match="let the others depend on its handle"):
        await once.options(depends_on=[first]).enqueue()
    calls = [work.options(depends_on=[first]).bind(), once.bind(), once.bind(), work.bind()]
    jobs = await queue.enqueue_many(calls)

    assert [job.created for job in jobs] == [True, False, False, True]
    assert jobs[1].id == jobs[2].id == first.id


async def test_the_tree_shows_what_a_job_waits_for_and_what_waits_for_it(queue: Queue) -> None:
    @queue.task
    async def fetch() -> None: ...

    @queue.task
    async def parse() -> None: ...

    @queue.task
    async def store() -> None: ...

    a, b, c, d, e = await queue.enqueue_flow(
        chain(fetch.bind(), group(parse.bind(), parse.bind()), store.bind(), store.bind())
    )
    await Worker(queue).run(burst=True)
    tree = await d.tree()

    assert (tree.id, tree.task, tree.state) == (d.id, "store", JobState.COMPLETED)
    assert [parent.id for parent in tree.parents] == [b.id, c.id]
    assert tree.parents[0].parents[0] is tree.parents[1].parents[0]
    assert tree.parents[0].parents[0].id == a.id
    assert [node.id for node in tree.dependents] == [e.id]
    lines = str(tree).splitlines()
    assert lines.index(f"store {d.id} completed") < lines.index(f"└ store {e.id} completed")
    assert f"┌ parse {b.id} completed" in lines
    near = await d.tree(limit=3)
    assert ([one.id for one in near.parents], near.parents[0].parents) == ([b.id, c.id], [])
    with pytest.raises(ConfigInvalid, match=r"limit must be .* got 0"):
        await d.tree(limit=0)
    alone = await queue.job("nobody").tree()
    assert str(alone) == "? nobody gone"


@pytest.mark.behaviour("T64")
async def test_a_retry_of_the_failed_job_runs_the_rest_of_the_flow(queue: Queue) -> None:
    broken = [True]
    runs: list[str] = []

    @queue.task(attempts=1)
    async def step(name: str, before: FromParents[str] = ()) -> str:
        runs.append(name)
        if name == "b" and broken:
            broken.clear()
            raise Fail("no paper")
        return "".join(before) + name

    a, b, c, d, e = await queue.enqueue_flow(
        chain(step.bind("a"), step.bind("b"), step.bind("c"), group(step.bind("d"), step.bind("e")))
    )
    await Worker(queue).run(burst=True)
    states = await queue.states([job.id for job in (a, b, c, d, e)])
    assert list(states.values()) == [JobState.COMPLETED, *[JobState.DEAD] * 4]

    await b.retry()
    await Worker(queue).run(burst=True)

    assert await d.result(5) == "abcd"
    assert await e.result(5) == "abce"
    assert runs.count("a") == 1
    info = await c.info()
    assert info is not None
    assert info.generation == 2
    assert [error.type for error in info.errors] == ["parent_failed"]


async def test_a_result_that_is_asked_for_after_a_retry_is_the_new_one(queue: Queue) -> None:
    broken = [True]

    @queue.task(attempts=1)
    async def step() -> str:
        if broken:
            raise Fail("no paper")
        return "printed"

    a, _b, c = await queue.enqueue_flow(chain(step.bind(), step.bind(), step.bind()))
    await Worker(queue).run(burst=True)
    broken.clear()

    await a.retry()

    with pytest.raises(TimeoutError):
        await c.result(0.01)
    await Worker(queue).run(burst=True)
    assert await c.result(10) == "printed"


async def test_a_job_that_two_others_failed_runs_again_when_both_do(queue: Queue) -> None:
    broken = {"a", "b"}

    @queue.task(attempts=1)
    async def step(name: str) -> None:
        if name in broken:
            raise Fail("no paper")

    a, b, c, _d = await queue.enqueue_flow(
        chain(group(step.bind("a"), step.bind("b")), step.bind("c"), step.bind("d"))
    )
    await Worker(queue).run(burst=True)
    broken.clear()

    await a.retry()
    await Worker(queue).run(burst=True)
    assert await c.state() is JobState.DEAD
    await b.retry()
    await Worker(queue).run(burst=True)

    tree = await c.tree()
    assert {node.state for node in (*tree.parents, tree, *tree.dependents)} == {JobState.COMPLETED}


async def test_a_retry_that_fails_again_leaves_the_rest_dead(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def step(good: bool) -> None:
        if not good:
            raise Fail("no paper")

    a, b = await queue.enqueue_flow(chain(step.bind(False), step.bind(True)))
    await Worker(queue).run(burst=True)
    await a.retry()
    await Worker(queue).run(burst=True)

    info = await b.info()
    assert info is not None
    assert (info.state, info.generation, len(info.errors)) == (JobState.DEAD, 2, 2)


async def test_a_whole_flow_is_cancelled_from_any_of_its_jobs(queue: Queue) -> None:
    @queue.task
    async def step(before: FromParents[int] = ()) -> int:
        return len(before)

    first = await step.enqueue()
    await Worker(queue).run(burst=True)
    jobs = await queue.enqueue_flow(
        chain(
            group(step.options(depends_on=[first]).bind(), step.options(delay=60).bind()),
            group(step.bind(), step.bind()),
        )
    )
    other = await step.enqueue()

    assert await jobs[2].cancel_flow("not needed any more") == 4

    states = await queue.states([first.id, *(job.id for job in jobs), other.id])
    assert list(states.values()) == [
        JobState.COMPLETED,
        *[JobState.CANCELLED] * 4,
        JobState.QUEUED,
    ]
    info = await jobs[3].info()
    assert info is not None
    assert [error.message for error in info.errors] == ["not needed any more"]
    assert await jobs[2].cancel_flow() == 0


async def test_a_burst_goes_on_until_a_failure_has_gone_down_the_whole_chain(queue: Queue) -> None:
    ran: list[str] = []

    @queue.task(attempts=1)
    async def fail() -> None:
        raise ValueError

    @queue.task(on_parent_failure="run")
    async def clean_up() -> None:
        ran.append("clean up")

    steps = [fail.bind() for _ in range(240)]
    await queue.enqueue_flow(chain(*steps, clean_up.bind()))
    await Worker(queue).run(burst=True)

    counts = await queue.counts()
    assert (counts.dead, counts.completed, counts.blocked) == (240, 1, 0)
    assert ran == ["clean up"]


@pytest.mark.behaviour("T16")
async def test_replayed_dependents_wait_also_where_they_are_met_on_an_earlier_page(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    mended: list[bool] = []
    sums: list[int] = []

    @queue.task(attempts=1)
    async def fetch() -> int:
        if not mended:
            raise ValueError
        return 5

    # They are sooner forgotten, and so stand before all others.
    @queue.task(attempts=1, keep_dead=86_400)
    async def total(numbers: FromParents[int] = ()) -> int:
        sums.append(sum(numbers))
        return sum(numbers)

    @queue.task(attempts=1, keep_dead=86_400, on_parent_failure="run")
    async def report(numbers: FromParents[int] = ()) -> None:
        sums.append(-sum(numbers))
        if not mended:
            raise ValueError

    first = await fetch.options(priority=-1).enqueue()
    second = await total.options(depends_on=[first]).enqueue()
    await total.options(depends_on=[second]).enqueue()
    await report.options(depends_on=[first]).enqueue()
    await queue.enqueue_many([fetch.bind() for _ in range(260)])
    await Worker(queue).run(burst=True)
    assert (await queue.counts()).dead == 264
    mended.append(True)

    assert await queue.replay_all(task="total") == 0
    assert "2 dead jobs of queue" in caplog.text
    assert await queue.replay_all() == 264
    counts = await queue.counts()
    assert (counts.dead, counts.blocked) == (0, 3)
    await Worker(queue).run(burst=True)
    assert sorted(sums) == [-5, 0, 5, 5]


async def test_a_job_that_would_wait_for_one_that_waits_for_it_is_refused(queue: Queue) -> None:
    @queue.task
    async def step(before: FromParents[None] = ()) -> None: ...

    await step.options(id="y").enqueue()
    waiting = await step.options(id="x", depends_on=["y"]).enqueue()
    await queue.job("y").remove()

    with pytest.raises(ConfigInvalid, match="job y cannot depend on job x"):
        await step.options(id="y", depends_on=["x"]).enqueue()
    with pytest.raises(ConfigInvalid, match="job y cannot depend on job z"):
        await queue.enqueue_flow(
            chain(step.options(id="z", depends_on=["x"]).bind(), step.options(id="y").bind())
        )

    assert await queue.job("y").info() is None
    assert await queue.job("z").info() is None
    async with Worker(queue):
        with pytest.raises(JobFailed):
            await waiting.result(10)
        await (
            await step.options(id="y", on_parent_failure="run", depends_on=["x"]).enqueue()
        ).result(10)


@pytest.mark.parametrize("keep_dead", [None, 86_400])
async def test_what_runs_again_with_another_job_is_counted_once(
    queue: Queue, keep_dead: int | None
) -> None:
    @queue.task(attempts=1)
    async def fetch() -> None:
        raise ValueError

    # With a retention of their own they are sooner forgotten, and so stand before the other one.
    @queue.task(attempts=1, keep_dead=keep_dead)
    async def total() -> None:
        raise ValueError

    parent = await fetch.options(priority=-1).enqueue()
    behind = total.options(depends_on=[parent]).bind()
    await queue.enqueue_many([behind for _ in range(400)])
    await Worker(queue).run(burst=True)
    assert (await queue.counts()).dead == 401

    assert await queue.replay_all() == 401
    counts = await queue.counts()
    assert (counts.dead, counts.queued, counts.blocked) == (0, 1, 400)
    await Worker(queue).run(burst=True)
    assert await queue.replay_all(task="fetch") >= 101, "with those that the call let run again"
