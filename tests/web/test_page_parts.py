"""What the pages are made of: searches, texts, charts, payloads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_redis import JobError, JobInfo, JobState
from aiojobs_redis.web.pages import charts, texts
from aiojobs_redis.web.pages.job import timeline
from aiojobs_redis.web.pages.notices import SENTENCES, read_notice
from aiojobs_redis.web.pages.rows import call_text, row_id
from aiojobs_redis.web.pages.schedules import in_words
from aiojobs_redis.web.pages.search import Wanted, read_search
from aiojobs_redis.web.pages.tasks import quantile
from aiojobs_redis.web.pages.values import read_payload
from aiojobs_redis.web.rights import ACTION_NAMES

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def job(**fields: Any) -> JobInfo:
    known: dict[str, Any] = {
        **{"id": "1", "task": "send", "queue": "mail", "state": JobState.DEAD, "priority": 0},
        **{"args": ["Ada"], "kwargs": {"n": 1}, "headers": {}, "attempt": 1, "attempts": 3},
        **{"lost_deliveries": 0, "generation": 1, "worker": "w", "enqueued_at": NOW},
        **{"run_at": NOW, "started_at": NOW, "finished_at": NOW},
    }
    return JobInfo(**{**known, **fields})


def test_a_search_is_qualifiers_and_words() -> None:
    assert read_search("") == Wanted()
    assert read_search("task:send error:OSError") == Wanted(task="send", error="OSError")
    assert read_search('key:"acct 7" id:x queue:mail') == Wanted(key="acct 7", id="x", queue="mail")
    assert read_search('Ada "two words" no:such') == Wanted(words=("ada", "two words", "no:such"))
    assert read_search("task:") == Wanted(words=("task:",))


def test_words_are_looked_for_in_arguments_and_errors_whatever_their_case() -> None:
    error = JobError("OSError", "disk Full", "", NOW, 1)
    info = job(errors=[error], key="acct-7")

    assert read_search("ada FULL").accepts(info)
    assert read_search("task:send error:OSError key:acct-7 'n'").accepts(info)
    assert not read_search("ada empty").accepts(info)
    assert not read_search("error:ValueError").accepts(info)
    assert not read_search("error:OSError").accepts(job())
    assert not read_search("key:other").accepts(info)


def test_durations_sizes_and_instants_are_told_in_units_that_fit() -> None:
    assert [texts.seconds_text(s) for s in (None, 0, 0.0123, 1, 59.9, 184, 7200, 190_000)] == [
        *("–", "0 ms", "12 ms", "1.0 s", "59.9 s", "3 min 4 s", "2 h", "2 d 4 h")  # noqa: RUF001
    ]
    assert [texts.bytes_text(n) for n in (0, 999, 1500, 2_500_000)] == [
        *("0 B", "999 B", "1.5 kB", "2.5 MB")
    ]
    instants = [NOW - timedelta(seconds=s) for s in (0, 5, -5, 300, 90_000, 400_000)]
    assert [texts.ago(each, NOW) for each in instants] == [
        *("now", "5 s ago", "in 5 s", "5 min ago", "25 h ago", "4 d ago")
    ]
    assert texts.percent(1, 0) == texts.NOTHING
    assert (texts.percent(1, 3), texts.percent(1, 50)) == ("33 %", "2.0 %")
    assert 'title="2026-11-26 12:00:00.000+00:00"' in texts.moment(NOW, NOW)


def test_bars_stand_on_each_other_below_a_round_top() -> None:
    series = [charts.Series("a", "a", [0, 30]), charts.Series("b", "b", [0, 150])]
    chart = charts.bars("t", "s", "n", [NOW, NOW], series)

    low, high = chart.bars
    assert chart.top == 200
    assert low.y + low.height == pytest.approx(charts.HEIGHT)
    assert high.y + high.height == pytest.approx(low.y)
    assert high.height == pytest.approx(charts.HEIGHT * 150 / 200)


def test_a_line_breaks_where_nothing_is_known() -> None:
    series = charts.Series("a", "a", [1.0, None, 3.0, 4.0])
    assert charts.line("t", "s", "n", [NOW] * 4, series).path.count("M") == 2
    nothing = charts.Series("a", "a", [None, None])
    assert charts.line("t", "s", "n", [NOW] * 2, nothing).path == ""
    assert "nan" not in charts.spark([0, 0])
    assert charts.spark([]) == ""


def test_a_payload_is_cut_where_it_is_large_or_deep() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    assert read_payload(deep).node.kind == "list"
    wide = read_payload([{"n": n} for n in range(5000)])
    assert wide.node.left_out > 4000
    assert wide.cut
    assert len(wide.json) == 64 * 1024
    odd = read_payload({b"\xff": "\ud800", "bytes": b"abc", "none": None, "yes": True})
    assert [child.kind for child in odd.node.children] == ["text", "text", "word", "word"]
    odd.json.encode()
    assert len(read_payload("y" * 10_000).node.text) < 2100


def test_a_call_in_a_line_is_short_whatever_it_holds() -> None:
    info = job(args=["x" * 1_000_000, [[1, [2]]]], kwargs={"d": {"a": {"b": 1}}})
    assert len(call_text(info)) <= 100
    nested = job(args=[[[[1]]]], kwargs={"d": {"a": {"b": [1]}}})
    assert call_text(nested) == "[[[…]]], d={'a': {'b': […]}}"
    assert row_id(job(id="a b<>\ud800")).replace("-", "").isalnum()


def test_expressions_are_told_in_words_where_there_are_any() -> None:
    assert in_words("30 2 * * *") == "At 02:30"
    assert in_words("*/10 * * * * *") == "Every 10 seconds"
    assert in_words("every 60 s") == in_words("@daily") == ""


def test_a_timeline_tells_attempts_in_their_order() -> None:
    errors = [
        JobError("OSError", "", "", NOW + timedelta(seconds=seconds), n)
        for n, seconds in ((1, 1), (2, 10))
    ]
    info = job(
        errors=errors,
        attempt=2,
        started_at=NOW + timedelta(seconds=9),
        finished_at=NOW + timedelta(seconds=11),
    )
    assert [step.title for step in timeline(info)] == [
        *("Enqueued", "Attempt 1 failed", "Last attempt started", "Attempt 2 failed", "Dead")
    ]


def test_a_notice_is_one_of_fixed_sentences() -> None:
    assert set(SENTENCES) == set(ACTION_NAMES)
    assert read_notice({"did": "cancel", "n": "1", "of": "1"}) == "1 job cancelled."
    assert "2 others" in read_notice({"did": "retry", "n": "3", "of": "5"})
    assert read_notice({"did": "<script>", "n": "1"}) == ""
    assert read_notice({"did": "cancel", "n": "<b>"}) == "0 jobs cancelled."


def test_quantiles_are_values_of_the_sample() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile(list(map(float, range(100))), 0.95) == 95.0
