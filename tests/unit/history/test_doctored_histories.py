"""Each planted fault is found by the rule it belongs to, and by no other one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aiojobs_redis import check_history
from aiojobs_redis.history.events import Phase
from aiojobs_redis.history.rules import RULES
from tests.support.histories import EPOCH, Book

DOCTORED: dict[str, tuple[str, Callable[[Book], object]]] = {}


def breaks(rule: str) -> Callable[[Callable[[Book], object]], Callable[[Book], object]]:
    """List a history with one fault, of which job "a" is the victim."""

    def note(story: Callable[[Book], object]) -> Callable[[Book], object]:
        DOCTORED[story.__name__] = (rule, story)
        return story

    return note


@breaks("lost")
def an_acknowledged_job_never_runs(book: Book) -> None:
    book.enqueue("a").enqueue("b").run("b", 1).drained()


@breaks("lost")
def a_claimed_job_vanishes(book: Book) -> None:
    book.add("claim", phase="invoke", call="x.1").enqueue("a").claim("a", 1).start("a", 1)
    book.add("claim", phase="invoke", call="x.2").add("claim", call="x.2").drained()


@breaks("lost")
def an_acknowledged_job_is_gone_from_redis(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).add("state", "a", cause="")


@breaks("lost")
def a_restart_loses_an_acknowledged_job(book: Book) -> None:
    book.enqueue("a").add("mark", cause="restart").drained()


@breaks("lost")
def a_rewind_is_no_excuse_for_what_was_acknowledged_after_it(book: Book) -> None:
    book.add("mark", cause="rewind").enqueue("a").drained()


@breaks("lost")
def a_destroy_that_was_refused_is_no_excuse(book: Book) -> None:
    book.enqueue("b").enqueue("a").claim("b", 1).start("b", 1)
    book.add("mark", phase="invoke", cause="destroyed", call="f")
    book.add("mark", phase="fail", cause="destroyed", call="f")
    book.finish("complete", "b", 1).drained()


def replay(book: Book, job: str, answer: Phase | None = "ok") -> Book:
    call = book.call()
    book.add("replay", job, "invoke", call=call)
    return book if answer is None else book.add("replay", job, answer, call=call)


def cancel(book: Book, job: str, answer: Phase = "ok") -> Book:
    call = book.call()
    book.add("move", job, "invoke", call=call, cause="cancel")
    return book.add("move", job, answer, call=call, cause="cancel")


@breaks("lost")
def a_job_is_lost_after_its_replay(book: Book) -> None:
    replay(book.enqueue("a").run("a", 1), "a").drained()


@breaks("lost")
def a_job_is_lost_after_a_replay_that_was_claimed(book: Book) -> None:
    replay(book.enqueue("a").run("a", 1), "a").claim("a", 2, generation=2).drained()


@breaks("lost")
def a_job_whose_end_was_only_read_is_lost_after_its_replay(book: Book) -> None:
    replay(book.enqueue("a").add("state", "a", cause="d"), "a").drained()


@breaks("lost")
def a_job_of_a_silent_producer_is_lost_after_its_replay(book: Book) -> None:
    replay(book, "a").drained()


@breaks("lost")
def a_job_is_lost_after_the_second_enqueue_of_its_id(book: Book) -> None:
    book.enqueue("a").run("a", 1).enqueue("a").drained()


@breaks("lost")
def a_cancel_of_the_life_before_is_no_excuse(book: Book) -> None:
    replay(cancel(book.enqueue("a"), "a"), "a").drained()


@breaks("lost")
def a_cancel_that_was_refused_is_no_excuse(book: Book) -> None:
    cancel(replay(book.enqueue("a").run("a", 1), "a"), "a", "fail").drained()


@breaks("lost")
def an_expiry_of_the_life_before_is_no_excuse(book: Book) -> None:
    replay(book.enqueue("a", expires=True).run("a", 1), "a").drained()


@breaks("lost")
def an_expiry_of_the_enqueue_before_is_no_excuse(book: Book) -> None:
    book.enqueue("a", expires=True).run("a", 1).enqueue("a").drained()


@breaks("lost")
def a_rewind_before_the_replay_is_no_excuse(book: Book) -> None:
    replay(book.enqueue("a").add("mark", cause="rewind").run("a", 1), "a").drained()


@breaks("corrupted")
def a_running_job_is_buried_as_corrupt(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).add("state", "a", cause="corrupt")
    book.finish("complete", "a", 1, "fail").drained()


@breaks("corrupted")
def a_corrupt_job_is_replayed_and_runs(book: Book) -> None:
    replay(book.enqueue("a").add("state", "a", cause="corrupt"), "a")
    book.run("a", 1, generation=2).drained()


@breaks("lost")
def a_corrupt_job_is_lost_after_its_replay(book: Book) -> None:
    book.enqueue("a").add("mark", cause="failover").add("state", "a", cause="corrupt")
    replay(book, "a").drained()


@breaks("unexpected")
def a_job_runs_that_nobody_enqueued(book: Book) -> None:
    book.enqueue("b").run("b", 1).run("a", 2)


@breaks("unexpected")
def a_refused_job_runs(book: Book) -> None:
    book.enqueue("a", "fail").run("a", 1)


@breaks("ungranted")
def an_attempt_starts_without_a_claim(book: Book) -> None:
    book.enqueue("a").start("a", 1)


@breaks("ungranted")
def a_completion_without_a_claim_is_accepted(book: Book) -> None:
    book.enqueue("a").finish("complete", "a", 1)


@breaks("redelivered_without_cause")
def a_job_is_handed_out_twice(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100).run("a", 2)


@breaks("redelivered_without_cause")
def a_refused_release_is_no_cause(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("release", "a", 1, "fail").wait(1100)
    book.run("a", 2)


@breaks("redelivered_without_cause")
def a_generation_comes_back(book: Book) -> None:
    book.enqueue("a").claim("a", 1, generation=2).start("a", 1).wait(1100).run("a", 2)


@breaks("started_twice")
def one_lease_runs_twice(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).start("a", 1).finish("complete", "a", 1)


@breaks("leases_overlap")
def a_lease_is_taken_away_before_its_end(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(500).run("a", 2, lost=1)


@breaks("leases_overlap")
def a_renewed_lease_is_taken_away(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(900).renew("a", 1).wait(300)
    book.run("a", 2, lost=1)


@breaks("leases_overlap")
def a_lease_expires_before_its_end(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(500)
    book.add("expire", "a", ms=EPOCH + book.now)


@breaks("token_granted_twice")
def two_calls_grant_one_token(book: Book) -> None:
    book.enqueue("a").claim("a", 1).claim("a", 1)


@breaks("token_granted_twice")
def two_jobs_get_one_token(book: Book) -> None:
    book.enqueue("b").enqueue("a").claim("b", 1).claim("a", 1)


@breaks("token_granted_twice")
def a_fence_repeats_with_another_nonce(book: Book) -> None:
    book.enqueue("a").claim("a", 1).wait(1100).claim("a", 1, lost=1, token="1,cafe")


@breaks("token_granted_twice")
def a_fence_goes_back(book: Book) -> None:
    book.enqueue("a").claim("a", 7).finish("release", "a", 7).claim("a", 3)


@breaks("completed_twice")
def a_completion_is_accepted_twice(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1)
    book.finish("complete", "a", 1).finish("complete", "a", 1)


@breaks("completed_twice")
def a_stale_completion_is_accepted_beside_the_right_one(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100).claim("a", 2, lost=1).start("a", 2)
    book.finish("complete", "a", 2).finish("complete", "a", 1)


@breaks("stale_write_accepted")
def a_stale_completion_is_accepted(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100).claim("a", 2, lost=1).start("a", 2)
    book.finish("complete", "a", 1).finish("complete", "a", 2, "fail")


@breaks("stale_write_accepted")
def a_stale_completion_was_on_its_way_before_the_second_claim(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100)
    book.finish("complete", "a", 1, None, call="x.1").claim("a", 2, lost=1).wait(5)
    book.finish("complete", "a", 1, call="x.1")


@breaks("stale_write_accepted")
def a_stale_retry_is_accepted(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100).claim("a", 2, lost=1).start("a", 2)
    book.finish("retry", "a", 1).finish("complete", "a", 2)


@breaks("stale_write_accepted")
def a_stale_renewal_is_accepted(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100).claim("a", 2, lost=1).start("a", 2)
    book.renew("a", 1).finish("complete", "a", 2)


@breaks("revived")
def a_completed_job_is_handed_out_again(book: Book) -> None:
    book.enqueue("a").run("a", 1).claim("a", 2)


@breaks("revived")
def a_dead_job_comes_back_from_a_lost_lease(book: Book) -> None:
    book.enqueue("a").claim("a", 1).finish("die", "a", 1).wait(1100).run("a", 2, lost=1)


@breaks("started_after_end")
def a_zombie_starts_after_the_job_was_completed(book: Book) -> None:
    book.enqueue("a").claim("a", 1).wait(1100).run("a", 2, lost=1).start("a", 1)


@breaks("started_after_end")
def a_job_starts_after_its_own_completion(book: Book) -> None:
    book.enqueue("a").claim("a", 1).finish("complete", "a", 1).start("a", 1)


@breaks("over_limit")
def one_attempt_too_many(book: Book) -> None:
    book.enqueue("a").claim("a", 1, failures=3).start("a", 1, attempt=4)


@breaks("over_limit")
def one_delivery_too_many(book: Book) -> None:
    book.enqueue("a").claim("a", 1, lost=3)


@breaks("over_limit")
def a_job_for_one_delivery_gets_a_second(book: Book) -> None:
    book.enqueue("a").claim("a", 1, deliveries=1).wait(1100).run("a", 2, deliveries=1, lost=1)


@breaks("over_limit")
def a_failure_is_not_counted(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("retry", "a", 1).run("a", 2)


@breaks("over_limit")
def failures_are_forgotten(book: Book) -> None:
    book.enqueue("a").claim("a", 1, failures=2).wait(1100).run("a", 2, lost=1)


@breaks("over_limit")
def a_lost_lease_is_forgotten_by_a_retry(book: Book) -> None:
    book.enqueue("a").claim("a", 1, lost=2).start("a", 1).finish("retry", "a", 1)
    book.run("a", 2, failures=1)


@breaks("claimed_early")
def a_job_is_claimed_before_it_is_due(book: Book) -> None:
    book.enqueue("a", plain=False).run("a", 1, due=EPOCH + 5000)


@breaks("claimed_early")
def a_retry_does_not_wait_for_its_delay(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("retry", "a", 1, delay=500)
    book.wait(400).run("a", 2, failures=1)


@breaks("claimed_out_of_order")
def a_lower_priority_goes_first(book: Book) -> None:
    book.enqueue("high", priority=5).enqueue("a").run("a", 1).run("high", 2)


@breaks("claimed_out_of_order")
def a_later_job_goes_first(book: Book) -> None:
    book.enqueue("first").enqueue("a").run("a", 1).run("first", 2)


def test_where_tasks_have_limits_nobody_is_passed_over(tmp_path: Path) -> None:
    book = Book()
    a_later_job_goes_first(book)
    book.add("mark", cause="reordered")

    assert check(book, tmp_path) == []


def check(book: Book, folder: Path) -> list[tuple[str, str]]:
    report = check_history(book.save(folder / "history.jsonl"))
    return [(violation.rule, violation.job) for violation in report.violations]


@pytest.mark.parametrize(("rule", "story"), DOCTORED.values(), ids=DOCTORED)
def test_a_planted_fault_is_found_by_its_rule(
    rule: str, story: Callable[[Book], object], tmp_path: Path
) -> None:
    book = Book()
    story(book)

    assert check(book, tmp_path) == [(rule, "a")]


@pytest.mark.parametrize(("rule", "story"), DOCTORED.values(), ids=DOCTORED)
def test_the_lines_of_a_violation_alone_are_about_its_job(
    rule: str, story: Callable[[Book], object], tmp_path: Path
) -> None:
    book = Book()
    story(book)
    (violation,) = check_history(book.save(tmp_path / "history.jsonl")).violations
    numbers = [int(line.rpartition(":")[2]) for line in violation.lines]
    # Order is about two jobs, and that the work was done about none.
    about = {book.events[number - 1].job for number in numbers} - {"", "b", "high", "first"}

    assert violation.lines == sorted({*violation.lines}, key=violation.lines.index)
    assert about == {"a"}


def test_each_rule_has_a_planted_fault() -> None:
    names = {rule.__name__ for rule in RULES} | {"claimed_out_of_order"}

    assert {rule for rule, _ in DOCTORED.values()} == names


def test_a_fault_is_found_among_thousands_of_healthy_jobs(tmp_path: Path) -> None:
    book = Book()
    for number in range(2000):
        book.enqueue(f"job-{number}").run(f"job-{number}", number + 1)
    book.enqueue("a").claim("a", 9001).start("a", 9001).wait(500).run("a", 9002, lost=1)

    assert check(book.drained(), tmp_path) == [("leases_overlap", "a")]


@pytest.mark.parametrize(("cause", "lost"), [("destroyed", 1), ("rewind", 0), ("failover", 0)])
def test_a_destroyed_queue_excuses_no_other_one(cause: str, lost: int, tmp_path: Path) -> None:
    Book("one").enqueue("a").wait(10).add("mark", cause=cause).drained().save(tmp_path / "1.jsonl")
    Book("two").enqueue("a").wait(20).drained().save(tmp_path / "2.jsonl")

    report = check_history(tmp_path)

    assert [(v.rule, v.queue) for v in report.violations] == [("lost", "two")] * lost
    assert (report.lost, report.undone) == (lost, 2 - lost)


def test_a_second_queue_with_the_same_ids_is_judged_by_itself(tmp_path: Path) -> None:
    Book("one").enqueue("a").run("a", 1).drained().save(tmp_path / "one.jsonl")
    Book("two").enqueue("a").run("a", 1).drained().save(tmp_path / "two.jsonl")

    report = check_history(tmp_path)

    assert (report.ok, report.jobs, report.completed) == (True, 2, 2)
