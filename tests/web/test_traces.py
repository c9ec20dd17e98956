"""The trace of a job: its id on the page, and the link that the application gives."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.traces import check_trace_url, trace_id_of, trace_link
from tests.web.conftest import Reach, memory_queue

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_the_trace_is_read_from_a_header_of_the_right_form_alone() -> None:
    assert trace_id_of({"traceparent": PARENT}) == TRACE
    assert trace_id_of({"Traceparent": f"{PARENT}-of-a-later-version"}) == TRACE
    for wrong in (
        *("", TRACE, f"ff-{TRACE}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01"),
        *(PARENT.upper(), f"00-{TRACE[:-1]}-b7ad6b7169203331-01", "[hidden]", f" {PARENT}"),
    ):
        assert trace_id_of({"traceparent": wrong}) is None
    assert trace_id_of({"other": PARENT}) is None
    assert trace_link("https://t.example/{trace_id}?x={trace_id}", TRACE) == (
        f"https://t.example/{TRACE}?x={TRACE}"
    )
    assert trace_link(None, TRACE) is trace_link("https://t.example/{trace_id}", None) is None


@pytest.mark.parametrize(
    "wrong",
    [
        *("https://t.example/", "javascript:alert('{trace_id}')", "/trace/{trace_id}", ""),
        *("https:///{trace_id}", "https://{trace_id}.example/", "ftp://t.example/{trace_id}"),
        *("https://[::/{trace_id}", 7),
    ],
)
def test_a_url_of_traces_that_is_none_is_refused_with_an_example(wrong: Any) -> None:
    with pytest.raises(ConfigInvalid, match=r"trace_url .*https://traces\.example\.org"):
        Dashboard(memory_queue("shown"), trace_url=wrong)
    assert check_trace_url(None) is None


async def test_the_page_of_a_job_leads_to_its_trace(reach: Reach) -> None:
    queue = memory_queue("shown")
    job = await queue.enqueue("add", headers={"traceparent": PARENT})
    plain = await queue.enqueue("add", headers={"traceparent": '"><script>'})
    hidden = reach(Dashboard(queue, secret_headers=["trace"], trace_url="https://t/{trace_id}"))
    linked = reach(Dashboard(queue, trace_url='https://t.example/?a=1&q="{trace_id}'))
    unlinked = reach(Dashboard(queue))
    path = f"/queues/shown/job?id={job.id}"

    text = (await linked.get(path)).text
    assert f'href="https://t.example/?a=1&amp;q=&#34;{TRACE}" rel="noopener noreferrer"' in text
    told = (await unlinked.get(path)).text
    assert f">{TRACE}</dd>" in told
    assert "t.example" not in told
    for client, id in ((hidden, job.id), (linked, plain.id)):
        page = await client.get(f"/queues/shown/job?id={id}")
        assert page.status_code == 200
        assert "<dt>Trace</dt>" not in page.text
