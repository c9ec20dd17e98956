"""What holds of a queue's keys at any moment, checked on a copy that was read by one command.

Each check takes the copy and returns a line for every fault that it finds; `faults` runs them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aiojobs_redis._redis.keys import KEY_NAMES
from tests.support.flow_invariants import FLOW_CHECKS
from tests.support.snapshots import INDEXES, Snapshot, options

__all__ = ["CHECKS", "faults"]

BAND = 2**42

_UNIQUE = re.compile(rb"(?P<ends>[ds-])[a-z]\d*\+?:(?P<key>.*)", re.DOTALL)


def only_the_fixed_keys_exist(copy: Snapshot) -> Iterator[str]:
    """No key of the queue is outside the fixed set, and none remains of a destroyed one.

    A queue can be paused before its first job, and who did so is recorded.
    """
    for name in sorted(copy.names):
        short = name.rpartition(b":")[2].decode()
        if short not in KEY_NAMES:
            yield f"{name!r} is none of the queue's keys"
        elif not copy.exists and short not in ("meta", "events", "actions"):
            yield f"{name!r} exists although the queue does not"


def every_job_is_in_the_one_index_of_its_state(copy: Snapshot) -> Iterator[str]:
    """An id in jobs is in exactly one index, that of the state in its run record."""
    for job in copy.hashes["jobs"]:
        state = copy.state(job)
        found = [name for name in copy.sets if name != "unknown" and job in copy.sets[name]]
        if len(found) != 1 or found[0] not in INDEXES.get(state, ()):
            yield f"job {job!r} in state {state} is in {found or 'no index'}"


def every_index_member_has_a_spec(copy: Snapshot) -> Iterator[str]:
    """No index names a job that is not in jobs."""
    for name, members in copy.sets.items():
        if name != "unknown":
            for job in members.keys() - copy.hashes["jobs"].keys():
                yield f"{name} holds {job!r}, which has no spec"


def every_run_record_is_whole_and_has_a_spec(copy: Snapshot) -> Iterator[str]:
    """A run record can be read, and belongs to a job."""
    for job, text in copy.hashes["runs"].items():
        if copy.run(job) is None:
            yield f"the run record of {job!r} cannot be read: {text!r}"
        if job not in copy.hashes["jobs"]:
            yield f"there is a run record of {job!r}, which has no spec"


def only_running_jobs_have_a_token(copy: Snapshot) -> Iterator[str]:
    """A running job has fence, nonce, worker, place and time of start; no other has a token."""
    for job in copy.hashes["runs"]:
        run = copy.run(job)
        if run is None:
            continue
        if run["state"] == b"r":
            empty = [name for name in ("fence", "nonce", "score", "started") if not run[name]]
            if empty:
                yield f"running job {job!r} has no {', '.join(empty)}"
        elif run["fence"] or run["nonce"]:
            yield f"job {job!r} in state {copy.state(job)} has the token of a lease"


def results_are_of_completed_jobs(copy: Snapshot) -> Iterator[str]:
    """Only a completed job has a result."""
    for job in copy.hashes["results"]:
        if job not in copy.hashes["jobs"] or copy.state(job) != "c":
            yield f"there is a result of {job!r}, which is in state {copy.state(job)}"


def errors_are_of_known_jobs(copy: Snapshot) -> Iterator[str]:
    """Only a job that is still there has errors."""
    for job in copy.hashes["errors"].keys() - copy.hashes["jobs"].keys():
        yield f"there are errors of {job!r}, which has no spec"


def what_is_left_is_of_known_jobs(copy: Snapshot) -> Iterator[str]:
    """Progress, log, state and steps go with their job, and can be read."""
    for name, text in copy.hashes["extras"].items():
        if name[:1] not in b"plsocd" or name[1:] not in copy.hashes["jobs"]:
            yield f"extras hold {name!r}, of no job"
        if name[:1] in b"plsc" and not re.match(rb"\d+,\d+,", text):
            yield f"what {name!r} in extras holds cannot be read: {text!r:.80}"


def an_unfinished_job_says_what_it_carries(copy: Snapshot) -> Iterator[str]:
    """A claim hands out that there is a state or a step to read exactly when there is one."""
    for job in copy.hashes["runs"]:
        run = copy.run(job)
        if run and run["state"] not in b"cdx":
            left = [kind for kind in (b"s", b"c") if kind + job in copy.hashes["extras"]]
            if bool(left) != ("j" in options(run["header"])):
                yield f"job {job!r} carries {left or 'nothing'}, and its record does not say so"


def calls_are_looked_at_again(copy: Snapshot) -> Iterator[str]:
    """Each idempotent call that was made, or is being made, has a time at which it is looked at."""
    calls = {text[:1] + key for key, text in copy.hashes["once"].items()}
    for member in calls ^ copy.others.get("once_ends", {}).keys():
        yield f"{member!r} is either in once or in once_ends, but not both"


def unknown_tasks_match_blocked_jobs(copy: Snapshot) -> Iterator[str]:
    """A job is parked for a task exactly when it is blocked and its header names that task."""
    parked = {
        b",".join((copy.header(job)["n"], run["score"].zfill(16), job))
        for job in copy.sets["blocked"]
        if "n" in copy.header(job) and (run := copy.run(job))
    }
    for member in parked ^ copy.sets["unknown"].keys():
        yield f"{member!r} is either in unknown or parked, but not both"


def waiters_are_of_unfinished_jobs(copy: Snapshot) -> Iterator[str]:
    """Nobody waits for a job that has ended or is not there."""
    for job in copy.hashes["waiters"]:
        if job not in copy.hashes["jobs"] or copy.state(job) in "cdx":
            yield f"somebody waits for {job!r}, which is in state {copy.state(job)}"


def ready_scores_are_in_the_band_of_their_priority(copy: Snapshot) -> Iterator[str]:
    """A queued job's score lies in the band of its priority, or in a higher one where jobs age."""
    ages = b"ageing" in copy.hashes["meta"]
    for name in INDEXES["q"]:
        for job, score in copy.sets[name].items():
            wanted = int(copy.header(job).get("p", b"0"))
            found = 1023 - int(score) // BAND
            if found < wanted or (found > wanted and not ages):
                yield f"job {job!r} of priority {wanted} has the score {score:.0f} in {name}"


def suspects_are_what_lost_two_leases(copy: Snapshot) -> Iterator[str]:
    """A queued job is apart from the others exactly when it has lost two leases or more."""
    for name in INDEXES["q"]:
        for job in copy.sets[name]:
            run = copy.run(job)
            lost = int(run["lost"]) if run else 0
            if (lost >= 2) != (name == "suspects"):
                yield f"job {job!r} lost {lost} leases and is in {name}"


def lost_leases_are_within_the_limit(copy: Snapshot) -> Iterator[str]:
    """A job that is not dead has fewer lost leases than it may lose."""
    for job in copy.hashes["runs"]:
        run = copy.run(job)
        if run and run["state"] not in b"dx":
            limit = int(copy.header(job).get("d", b"3"))
            if int(run["lost"]) >= limit:
                yield f"job {job!r} lost {int(run['lost'])} of {limit} leases and is not dead"


def tokens_are_unique_and_were_given_out(copy: Snapshot) -> Iterator[str]:
    """No two running jobs have one fence, and none is beyond the last that was given out."""
    last = int(copy.hashes["meta"].get(b"fence", b"0"))
    owners: dict[int, bytes] = {}
    for job in copy.sets["leases"]:
        run = copy.run(job)
        if run is None or not run["fence"]:
            continue
        fence = int(run["fence"])
        if fence in owners:
            yield f"jobs {owners[fence]!r} and {job!r} both have the fence {fence}"
        if fence > last:
            yield f"job {job!r} has the fence {fence}, the last one given out is {last}"
        owners[fence] = job


def no_two_jobs_share_a_place(copy: Snapshot) -> Iterator[str]:
    """Each queued job has a place of its own among those of its key, or among those without one.

    The latter have it by an arrival number that was given out.
    """
    last = int(copy.hashes["meta"].get(b"sequence", b"0"))
    places: dict[tuple[float, bytes | None, bytes], bytes] = {}
    for name in INDEXES["q"]:
        for job, score in copy.sets[name].items():
            key = copy.header(job).get("g")
            # Those of a key take turns apart in each priority, from which they may rise.
            other = places.setdefault((score, key, copy.header(job).get("p", b"")), job)
            if other != job and last < BAND:
                yield f"jobs {other!r} and {job!r} both have the place {score:.0f}"
            if key is None and int(score) % BAND > last:
                yield f"job {job!r} has the place {score:.0f}, the last arrival was {last}"


def finished_jobs_say_when(copy: Snapshot) -> Iterator[str]:
    """A job has a time of its end exactly when it has ended."""
    for job in copy.hashes["runs"]:
        run = copy.run(job)
        if run and bool(run["finished"]) != (run["state"] in b"cdx"):
            yield f"job {job!r} in state {copy.state(job)} has the end {run['finished']!r}"


def dead_jobs_have_an_error(copy: Snapshot) -> Iterator[str]:
    """Nobody has to guess why a job is dead."""
    for job in copy.sets["dead"].keys() - copy.hashes["errors"].keys():
        yield f"job {job!r} is dead and has no error"


def only_running_jobs_are_to_be_cancelled(copy: Snapshot) -> Iterator[str]:
    """The wish to cancel stands only where somebody has still to hear of it."""
    for job in copy.hashes["runs"]:
        if "z" in copy.header(job) and copy.state(job) != "r":
            yield f"job {job!r} in state {copy.state(job)} is to be cancelled"


def unique_keys_name_the_one_that_holds_them(copy: Snapshot) -> Iterator[str]:
    """A job that keeps others out is found by its key, so no two of them have the same.

    One that has not started may have expired by now, and holds nothing then. One that was claimed
    and did not start, since its task was not known, may have lost its key to another one meanwhile.
    """
    for job in copy.hashes["runs"]:
        run = copy.run(job)
        found = _UNIQUE.fullmatch(options(run["header"]).get("u", b"")) if run else None
        if run is None or found is None or run["state"] in b"cdx" or _follows(copy, job):
            continue
        if not run["started"] and "x" in options(run["header"]):
            continue
        unclaimed = not run["started"] and not run["worker"]
        if found["ends"] == b"d" or (found["ends"] == b"s" and unclaimed):
            holder = copy.hashes["unique"].get(found["key"], b"").partition(b",")[2]
            if holder != job:
                yield f"job {job!r} holds the key {found['key']!r}, which names {holder!r}"


def _follows(copy: Snapshot, job: bytes) -> bool:
    return any(text.partition(b",")[2] == job for text in copy.hashes["followers"].values())


def followers_wait_for_unfinished_jobs(copy: Snapshot) -> Iterator[str]:
    """A job that waits for the one with its unique key waits for one that has not ended."""
    for leader in copy.hashes["followers"]:
        if leader not in copy.hashes["jobs"] or copy.state(leader) in "cdx":
            yield f"a job waits for {leader!r}, which is in state {copy.state(leader)}"


def ticks_are_of_active_schedules(copy: Snapshot) -> Iterator[str]:
    """A schedule has a next tick only while it is there and not paused."""
    for name in copy.others.get("ticks", {}):
        record = copy.hashes["schedules"].get(name, b"")
        if record.split(b",", 2)[1:2] != [b"0"]:
            yield f"schedule {name!r} ticks and is {'paused' if record else 'not there'}"


def slots_are_what_jobs_hold_or_wait_for(copy: Snapshot) -> Iterator[str]:
    """A slot of a limit is held, and waited for, exactly by the jobs whose records say so."""
    members = set()
    for job in copy.hashes["runs"]:
        run, header = copy.run(job), copy.header(job)
        how = header.get("h", b"").decode()
        if not run or not how:
            continue
        if run["state"] in b"scdx" or "n" in header:
            yield f"job {job!r} in state {copy.state(job)} has the slots {how}"
        key, task = header.get("g", b""), how[3:].encode()
        scopes = b"k" + key, b"b" + task + b"/" + key, b"t" + task
        for each, scope in zip(how, scopes, strict=False):
            if each in "hb":
                members.add(b"h" + scope + b"," + job)
            if each in "pb":
                rank, place = b"0" if each == "b" else b"1", run["score"].zfill(16)
                turn = header.get("t", run["score"]).zfill(16)
                turns = [turn] if scope[:1] == b"t" else []
                members.add(b",".join((b"p" + scope, rank, *turns, place, job)))
                if turns and each == "p":
                    members.add(b",".join((b"u" + scope, key, place, turn, job)))
                if run["state"] != b"b":
                    yield f"job {job!r} in state {copy.state(job)} waits for {scope!r}"
    slots = {member for member in copy.others.get("slots", {}) if member[:1] not in b"lw"}
    for member in members ^ slots:
        yield f"{member!r} is either in slots or in the record of the job, but not both"


def a_job_is_in_the_line_of_its_key_until_it_starts(copy: Snapshot) -> Iterator[str]:
    """A job counts among those of its key exactly while its own record says so."""
    members = set()
    for job, text in copy.hashes["jobs"].items():
        run = copy.run(job)
        header = options(run["header"] if run else text.partition(b"\n")[0])
        if "b" not in header:
            continue
        members.add(b"l" + header.get("g", b"") + b"," + job)
        if run and (run["started"] or run["state"] in b"rcdx"):
            yield f"job {job!r} in state {copy.state(job)} has started, and is in line still"
    slots = {member for member in copy.others.get("slots", {}) if member[:1] == b"l"}
    for member in members ^ slots:
        yield f"{member!r} is either in line or in the record of the job, but not both"


def who_goes_by_an_order_of_its_key_waits(copy: Snapshot) -> Iterator[str]:
    """A job goes before others of its key exactly while its own record says so, and it waits."""
    members = set()
    for job in copy.hashes["runs"]:
        run, header = copy.run(job), copy.header(job)
        if not run or "O" not in header:
            continue
        priority, rank = header.get("p", b"0"), 9999 - int(header.get("G", b"0"))
        order = header["O"].zfill(16)
        members.add(b"w%b,%b,%d,%b,%b" % (priority, header.get("g", b""), rank, order, job))
        if run["state"] not in b"qb" or "n" in header:
            yield f"job {job!r} in state {copy.state(job)} goes before others of its key"
    slots = {member for member in copy.others.get("slots", {}) if member[:1] == b"w"}
    for member in members ^ slots:
        yield f"{member!r} is either in slots or in the record of the job, but not both"
    if slots and not copy.hashes["meta"].get(b"ranked"):
        yield "jobs go before others of their key, and no claim looks"


def nobody_is_held_back_where_there_is_room(copy: Snapshot) -> Iterator[str]:
    """Who waits for a slot waits until one is freed, or until somebody looks again."""
    slots, limits = copy.others.get("slots", {}), copy.hashes["limits"]
    for scope in {member[1:].split(b",")[0] for member in slots if member[:1] == b"p"}:
        # Of each key by itself, unless the key has a limit of its own.
        kind = re.match(rb"k|b[^/]*/", scope)
        rule = limits.get(scope) or (limits.get(kind[0] + b"*") if kind else None)
        most = rule.split(b",")[0] if rule else b""
        held = sum(member.startswith(b"h" + scope + b",") for member in slots)
        if not {scope, b"*"} & copy.others["opens"].keys() and not (most and held >= int(most)):
            yield f"jobs wait for {scope!r} with {held} of {most!r} slots taken, and nobody looks"


def counted_tasks_are_listed(copy: Snapshot) -> Iterator[str]:
    """The tasks that something was counted of in a minute stand in the list of that minute."""
    stats = copy.hashes["stats"]
    listed = {minute: text.split(b",") for minute, text in stats.items() if b"," not in minute}
    # Of minutes that are being swept, either may have gone.
    newest = max((int(minute) for minute in listed), default=0)
    for name in stats:
        minute, _, rest = name.partition(b",")
        task = rest.partition(b",")[0]
        # Without a task it is the sample of the oldest job.
        if task and int(minute) > newest - 2_000 and task not in listed.get(minute, ()):
            yield f"{name!r} was counted, and {task!r} is not among the tasks of that minute"


def a_queue_that_looks_plain_is_plain(copy: Snapshot) -> Iterator[str]:
    """Where no job has turns, limits, parents or followers, exchange_plain.lua misses nothing."""
    marks = (copy.hashes["tags"], copy.hashes["followers"], copy.others.get("edges"))
    if any(marks) or b"limits" in copy.hashes["meta"]:
        return
    for job in copy.hashes["jobs"]:
        if copy.state(job) not in "cdx":
            for option in copy.header(job).keys() & {"g", "h"}:
                yield f"job {job!r} has the option {option}, and the queue looks plain"
    if copy.hashes["limits"]:
        yield "there are limits, and the queue looks plain"
    for name in copy.hashes["flows"]:
        if name[:1] == b"n":
            yield f"{name[1:]!r} waits for other jobs, and the queue looks plain"


def no_key_goes_by_itself(copy: Snapshot) -> Iterator[str]:
    """No key has a time to live: what is removed is removed by a script."""
    for name in sorted(copy.passing):
        yield f"{name} has a time to live"


CHECKS: tuple[Callable[[Snapshot], Iterator[str]], ...] = (
    only_the_fixed_keys_exist,
    every_job_is_in_the_one_index_of_its_state,
    every_index_member_has_a_spec,
    every_run_record_is_whole_and_has_a_spec,
    only_running_jobs_have_a_token,
    results_are_of_completed_jobs,
    errors_are_of_known_jobs,
    what_is_left_is_of_known_jobs,
    an_unfinished_job_says_what_it_carries,
    calls_are_looked_at_again,
    unknown_tasks_match_blocked_jobs,
    waiters_are_of_unfinished_jobs,
    ready_scores_are_in_the_band_of_their_priority,
    suspects_are_what_lost_two_leases,
    lost_leases_are_within_the_limit,
    tokens_are_unique_and_were_given_out,
    no_two_jobs_share_a_place,
    finished_jobs_say_when,
    dead_jobs_have_an_error,
    only_running_jobs_are_to_be_cancelled,
    unique_keys_name_the_one_that_holds_them,
    followers_wait_for_unfinished_jobs,
    ticks_are_of_active_schedules,
    slots_are_what_jobs_hold_or_wait_for,
    a_job_is_in_the_line_of_its_key_until_it_starts,
    who_goes_by_an_order_of_its_key_waits,
    nobody_is_held_back_where_there_is_room,
    counted_tasks_are_listed,
    *FLOW_CHECKS,
    a_queue_that_looks_plain_is_plain,
    no_key_goes_by_itself,
)


def faults(copy: Snapshot) -> list[str]:
    """Return what does not hold, each with the name of its check."""
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in check(copy)]
