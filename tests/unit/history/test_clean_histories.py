"""Histories of a queue that keeps its promises pass, however rough its life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aiojobs_redis import check_history
from tests.support.histories import Book

CLEAN: dict[str, Callable[[Book], object]] = {}


def clean(story: Callable[[Book], object]) -> Callable[[Book], object]:
    """List a history that has to pass."""
    CLEAN[story.__name__] = story
    return story


@clean
def a_job_that_runs(book: Book) -> None:
    book.enqueue("a").run("a", 1)


@clean
def a_retry_after_its_delay(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("retry", "a", 1, delay=50)
    book.wait(60).run("a", 2, failures=1)


@clean
def a_lease_that_ran_out_and_the_refused_completion_of_its_holder(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100)
    book.claim("a", 2, lost=1).start("a", 2).finish("complete", "a", 1, "fail")
    book.finish("complete", "a", 2)


@clean
def a_renewed_lease_that_ran_out_later(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(900).renew("a", 1).wait(1100)
    book.run("a", 2, lost=1)


@clean
def a_release_at_shutdown_and_a_second_start_at_once(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("release", "a", 1).run("a", 2)


@clean
def a_release_and_the_next_claim_in_one_call(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1)
    book.finish("release", "a", 1, call="x.1").claim("a", 2, call="x.1").start("a", 2)
    book.finish("complete", "a", 2)


@clean
def a_lost_reply_of_a_claim_that_is_answered_again(book: Book) -> None:
    book.enqueue("a").claim("a", 1, call="x.1", ms=0).claim("a", 1, call="x.1", ms=0)
    book.start("a", 1).finish("complete", "a", 1)


@clean
def a_lost_reply_of_a_completion_that_is_answered_again(book: Book) -> None:
    # The answer comes after the next holder has the job: its call was applied long before.
    book.enqueue("a").claim("a", 1).start("a", 1).finish("release", "a", 1, None, call="x.1")
    book.claim("a", 2).start("a", 2).finish("release", "a", 1, ms=0, call="x.1")
    book.finish("complete", "a", 2)


@clean
def a_worker_that_died_with_its_completion_on_the_way(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("complete", "a", 1, None).drained()


@clean
def a_worker_that_died_with_its_completion_and_was_not_heard(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("complete", "a", 1, None).wait(1100)
    book.run("a", 2, lost=1).drained()


@clean
def a_claim_whose_reply_nobody_read(book: Book) -> None:
    book.enqueue("a").wait(2000).run("a", 2, lost=1).drained()


@clean
def a_replay_of_a_completed_job(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke").run("a", 2, generation=2)


@clean
def a_replay_that_was_answered(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke", call="r.1")
    book.add("replay", "a", call="r.1").run("a", 2, generation=2).drained()


@clean
def a_replay_whose_job_ran_before_its_answer_was_read(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke", call="r.1")
    book.run("a", 2, generation=2).add("replay", "a", call="r.1").drained()


@clean
def an_id_that_a_replay_names_twice(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke", call="r.1")
    book.add("replay", "a", call="r.1").add("replay", "a", "fail", call="r.1")
    book.run("a", 2, generation=2).drained()


@clean
def a_replay_that_was_refused_and_one_of_unknown_outcome(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke", call="r.1")
    book.add("replay", "a", "fail", call="r.1").add("replay", "a", "invoke", call="r.2").drained()


@clean
def a_replayed_job_that_redis_buried(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke", call="r.1")
    book.add("replay", "a", call="r.1")
    for lost in range(3):
        book.claim("a", lost + 2, lost=lost, generation=2).wait(1100)
    book.drained()


@clean
def a_replayed_job_that_was_cancelled(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke", call="r.1")
    book.add("replay", "a", call="r.1").add("move", "a", "invoke", call="m.1", cause="cancel")
    book.drained()


@clean
def a_rewind_after_a_replay(book: Book) -> None:
    book.enqueue("a").run("a", 1).add("replay", "a", "invoke", call="r.1")
    book.add("replay", "a", call="r.1").add("mark", cause="rewind").drained()


@clean
def a_failover_that_lost_half_of_a_job(book: Book) -> None:
    book.enqueue("a").add("mark", cause="failover").add("state", "a", cause="corrupt").drained()


@clean
def a_parked_job_that_the_janitor_gave_up(book: Book) -> None:
    book.enqueue("a").claim("a", 1).finish("park", "a", 1).add("state", "a", cause="d")
    book.add("state", "a", cause="").drained()


@clean
def an_end_that_was_read_before_the_job_was_gone(book: Book) -> None:
    book.enqueue("a").add("state", "a", cause="d").add("state", "a", cause="").drained()


@clean
def an_id_that_is_used_again(book: Book) -> None:
    book.enqueue("a").run("a", 1).enqueue("a").run("a", 2)


@clean
def an_id_that_was_taken(book: Book) -> None:
    book.enqueue("a").enqueue("a", added=False).run("a", 1).enqueue("a", added=False).drained()


@clean
def an_enqueue_whose_copy_was_answered(book: Book) -> None:
    book.add("enqueue", "a", "invoke", call="c.9").add("enqueue", "a", "info", call="c.9")
    book.add("enqueue", "a", "invoke", call="c.9").add("enqueue", "a", call="c.9")
    book.run("a", 1).drained()


@clean
def an_enqueue_of_unknown_outcome_that_ran(book: Book) -> None:
    book.enqueue("a", "info").run("a", 1)


@clean
def an_enqueue_of_unknown_outcome_that_did_not_run(book: Book) -> None:
    book.enqueue("a", None).enqueue("b", "fail").drained()


@clean
def a_rewind_that_brings_a_completed_job_back_and_loses_another(book: Book) -> None:
    book.enqueue("a").run("a", 1).enqueue("b")
    book.add("mark", phase="invoke", cause="rewind", call="f").wait(50)
    book.add("mark", cause="rewind", call="f").run("a", 1, token="1,other").drained()
    for event in book.events[-5:]:
        event.token = event.token and "1,other"


@clean
def a_failover_that_grants_again_what_was_granted(book: Book) -> None:
    book.enqueue("a").claim("a", 5).start("a", 5)
    book.add("mark", cause="failover").run("a", 3)


@clean
def a_restart_that_loses_nothing(book: Book) -> None:
    book.enqueue("a").enqueue("b").run("a", 1).add("mark", cause="restart").run("b", 2).drained()


@clean
def a_clock_of_redis_that_is_set_back(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100)
    book.add("mark", cause="clock").claim("a", 2, lost=1, ms=1_795_000_000_100)
    book.start("a", 2).finish("complete", "a", 2)


@clean
def a_snooze_and_an_early_wake_up_by_hand(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("snooze", "a", 1, delay=60_000)
    book.add("move", "a", "invoke").run("a", 2)


@clean
def a_job_that_waits_for_others_and_forgets_its_lost_leases(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100)
    book.claim("a", 2, lost=1).start("a", 2).finish("wait", "a", 2).run("a", 3).drained()


@clean
def a_job_that_died_of_one_that_it_waited_for(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).finish("wait", "a", 1).drained()


@clean
def a_job_that_waits_for_a_worker_that_knows_its_task(book: Book) -> None:
    book.enqueue("a").claim("a", 1).finish("park", "a", 1).run("a", 2).drained()


@clean
def a_delayed_job_behind_later_ones(book: Book) -> None:
    book.enqueue("a", plain=False).enqueue("b").run("b", 1).run("a", 2).drained()


@clean
def a_higher_priority_that_came_while_a_claim_was_on_its_way(book: Book) -> None:
    book.enqueue("low")
    asked = book.now * 1_000_000
    book.enqueue("high", priority=9).claim("low", 1, asked=asked).claim("high", 2)
    book.start("high", 2).finish("complete", "high", 2).finish("complete", "low", 1)


@clean
def a_handed_back_job_that_overtakes_by_its_old_place(book: Book) -> None:
    book.enqueue("a").enqueue("b").claim("a", 1).finish("release", "a", 1).run("a", 2).run("b", 3)


@clean
def a_reply_that_was_read_late(book: Book) -> None:
    # The claim was granted before the other one, and its holder's loop was blocked meanwhile.
    book.enqueue("a")
    asked, ms = book.now * 1_000_000, 1_795_000_000_000 + book.now
    book.wait(1500).claim("a", 2, lost=1).start("a", 2).finish("complete", "a", 2)
    book.claim("a", 1, asked=asked, ms=ms)


@clean
def a_poison_pill_that_redis_buries(book: Book) -> None:
    book.enqueue("a")
    for lost in range(3):
        book.claim("a", lost + 1, lost=lost).start("a", lost + 1).wait(1100)
    book.drained()


@clean
def a_poison_pill_whose_last_leases_nobody_read_of(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1)
    book.add("claim", phase="invoke", call="x.1").add("claim", phase="invoke", call="x.2")
    book.drained()


@clean
def a_cancelled_job_and_an_expired_one(book: Book) -> None:
    book.enqueue("a").add("move", "a", "invoke", cause="cancel")
    book.enqueue("b", expires=True).drained()


@clean
def a_job_whose_last_state_is_an_end(book: Book) -> None:
    book.enqueue("a").add("state", "a", cause="d").drained()


@clean
def a_queue_that_was_destroyed(book: Book) -> None:
    book.enqueue("a").enqueue("b").claim("a", 1).start("a", 1)
    book.add("mark", cause="destroyed").finish("complete", "a", 1, "fail").drained()


@clean
def a_destroy_of_unknown_outcome(book: Book) -> None:
    book.enqueue("a").add("mark", phase="invoke", cause="destroyed", call="f")
    book.add("mark", phase="info", cause="destroyed", call="f").drained()


@clean
def an_expired_lease_seen_by_the_server(book: Book) -> None:
    book.enqueue("a").claim("a", 1).start("a", 1).wait(1100)
    book.add("expire", "a", ms=1_795_000_000_000 + book.now).run("a", 2)


@pytest.mark.parametrize("story", CLEAN.values(), ids=CLEAN)
def test_a_clean_history_passes(story: Callable[[Book], object], tmp_path: Path) -> None:
    book = Book()
    story(book)

    report = check_history(book.save(tmp_path / "history.jsonl"))

    assert report.violations == []
    assert report.ok


@pytest.mark.parametrize("story", CLEAN.values(), ids=CLEAN)
def test_a_clean_history_passes_whichever_file_is_read_first(
    story: Callable[[Book], object], tmp_path: Path
) -> None:
    book = Book()
    story(book)
    head, *events = book.events
    for part, name in enumerate(("b", "a", "c")):
        piece = Book()
        piece.events = [head, *events[part::3]]
        piece.save(tmp_path / f"{name}.jsonl")

    assert check_history(tmp_path).violations == []


def test_every_prefix_of_a_clean_history_passes(tmp_path: Path) -> None:
    book = Book()
    book.enqueue("a").enqueue("b").claim("a", 1).start("a", 1).wait(1100).run("b", 2)
    book.claim("a", 3, lost=1).start("a", 3).finish("retry", "a", 3).run("a", 4, failures=1, lost=1)
    path, text = tmp_path / "history.jsonl", book.text()
    lines = [0, *(at + 1 for at, byte in enumerate(text) if byte == ord("\n"))]
    for end in {*lines, *range(0, len(text), 7)}:
        path.write_bytes(text[:end])
        report = check_history(path)
        assert report.ok
        # A killed process tears its last line: it counts as not written.
        assert report.torn == ([] if end in lines else [str(path)])
