"""What people did to a queue is recorded, and read page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_redis import ActionRecord, ConfigInvalid, Queue
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw


async def test_what_was_done_is_read_the_newest_first(queue: Queue) -> None:
    first = await queue.note_action("ada", "pause")
    second = await queue.note_action("bob", "replay_all", details={"task": "pay"}, outcome="3")
    third = await queue.note_action("ada", "retry", "job \u2603")

    newest, middle, oldest = await queue.actions()

    assert [newest.id, middle.id, oldest.id] == [third, second, first]
    assert (newest.who, newest.action, newest.job) == ("ada", "retry", "job \u2603")
    assert (middle.details, middle.outcome) == ({"task": "pay"}, "3")
    assert oldest == ActionRecord(first, oldest.at, "ada", "pause")
    assert abs((datetime.now(UTC) - oldest.at).total_seconds()) < 60


async def test_pages_follow_each_other_without_a_gap(queue: Queue) -> None:
    written = [await queue.note_action("ada", "retry", f"{n}") for n in range(7)]

    read: list[str] = []
    before = None
    while page := await queue.actions(3, before):
        read += [record.id for record in page]
        before = page[-1].id

    assert read == written[::-1]


@pytest.mark.requirement("S19")
async def test_a_record_whose_answer_is_lost_is_written_once(
    far_queue: Queue, proxy: Proxy
) -> None:
    proxy.drop_reply_of(runs_script("note_action"))

    written = await far_queue.note_action("ada", "pause")

    assert proxy.dropped()
    assert [record.id for record in await far_queue.actions()] == [written]
    again = await far_queue.note_action("ada", "pause")
    assert [record.id for record in await far_queue.actions()] == [again, written]


async def test_some_ten_thousand_records_are_kept(real_queue: Queue) -> None:
    key = real_queue.store.keys["actions"]
    fill = "for n = 1, 11000 do redis.call('XADD', KEYS[1], '*', 'a', '{}') end"
    await raw(real_queue, "EVAL", fill, 1, key)

    await real_queue.note_action("ada", "pause")

    assert 10_000 <= await raw(real_queue, "XLEN", key) < 10_500


async def test_a_damaged_record_does_not_hide_the_others(queue: Queue) -> None:
    await queue.note_action("ada", "pause")
    await raw(queue, "XADD", queue.store.keys["actions"], "*", "a", b"\xff{")

    assert [record.action for record in await queue.actions()] == ["pause"]


async def test_the_records_go_with_the_queue(queue: Queue) -> None:
    await queue.note_action("ada", "pause")

    await queue.destroy()

    assert await queue.actions() == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"who": ""}, "who"),
        ({"action": ""}, "action"),
        ({"details": {"x": object()}}, "details"),
        ({"details": {"x": "y" * 5000}}, "4096"),
    ],
)
async def test_what_cannot_be_recorded_is_refused(
    queue: Queue, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigInvalid, match=named):
        await queue.note_action(**{"who": "ada", "action": "pause", **arguments})

    assert await queue.actions() == []


@pytest.mark.parametrize(("limit", "before"), [(0, None), (1001, None), (True, None), (1, "x")])
async def test_a_page_out_of_range_is_refused(queue: Queue, limit: int, before: str | None) -> None:
    with pytest.raises(ConfigInvalid, match=r"limit|before"):
        await queue.actions(limit, before)


async def test_long_texts_are_cut(queue: Queue) -> None:
    await queue.note_action("a" * 999, "retry", "j" * 999, outcome="\ud800" * 9999)

    (record,) = await queue.actions()

    assert (len(record.who), len(record.job or "")) == (256, 256)
    assert record.outcome == "?" * 4096
