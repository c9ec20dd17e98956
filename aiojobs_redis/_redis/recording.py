"""Writes down what is asked of Redis and what it answers, script call by script call.

A queue that records has these scripts in place of the plain ones; one that does not has none of it
on its way. What is asked is written before it is sent, so that whatever Redis may have applied has
a line however the process ends.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from aiojobs_redis._redis.answer import ADDED, LINE_FULL, OVER, REPLACES, TAKEN, read_answer
from aiojobs_redis._redis.replayer import split_reply
from aiojobs_redis._redis.scripts import SCRIPTS, Script
from aiojobs_redis.history.events import REORDERED, REPLACED, Event
from aiojobs_redis.spec import read_header

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from aiojobs_redis._redis.link import Link, SyncLink
    from aiojobs_redis.history.events import Op, Phase
    from aiojobs_redis.history.journal import Journal

__all__ = ["SILENT", "recorded_scripts"]

SILENT = frozenset(
    {"ask_worker", "audit", "backlogs", "beat", "change", "clear_log", "counts", "free", "inspect"}
    | {"keep", "kin", "leave", "mark", "walk"}
    | {"outcome", "page", "parents", "pause", "pause_schedule", "read_schedules", "registry"}
    | {"asking", "break_wait", "detach", "expect", "forgive", "hear", "post", "waits"}
    | {"emit", "end_once", "jot", "read_limits", "recall", "schedule", "take_once", "unschedule"}
    | {"metrics", "note_action", "priorities", "read_actions", "weigh"}
)
"""Scripts whose calls have no line: they read, or are about workers, schedules, weights,
arguments, and what a job leaves beside its record.

`beat` does change jobs, and so does each exchange beside what it is asked for: leases that ran out
are taken back, and jobs that lost too many are buried. The reply names none of them. The counts of
the next claim tell of it; where none comes, the limits in the last one say whether it may be dead.
"""

_LEASE_MS, _DELIVERIES = 15_000, 3
_THERE = "3"
_NO_MATTER = frozenset("pldmrka")
"""Options with which a job is still ready at once and keeps its place."""
_ENDS: Mapping[str, Op] = {
    "c": "complete",
    "t": "retry",
    "d": "die",
    "z": "snooze",
    "w": "wait",
    "x": "cancel",
    "r": "release",
    "u": "release",
    "l": "release",
    "b": "park",
}


def recorded_scripts(journal: Journal) -> Mapping[str, Script]:
    """Return the scripts, with those whose calls are events replaced."""
    return {**SCRIPTS, **{kind.script: kind(journal) for kind in _kinds()}}


def _kinds() -> Sequence[type[_Recorded]]:
    jobs: tuple[type[_Recorded], ...] = (_Enqueue, _EnqueueOne, _EnqueuePlain, _EnqueueFlow)
    return (
        *jobs,
        _Exchange,
        _ExchangePlain,
        _Renew,
        _Fire,
        _Replay,
        _Move,
        _Cancel,
        _Prune,
        _Remove,
        _Promote,
        _States,
        _Sweep,
        _Repair,
        _Destroy,
        _Limit,
        _Close,
        _Age,
    )


class _Recorded(Script):
    """A script whose calls are written down."""

    script: str

    def __init__(self, journal: Journal) -> None:
        super().__init__(self.script)
        self.journal = journal

    async def call(self, link: Link, head: tuple[bytes, ...], *args: Any) -> Any:
        asked = self.asked(args)
        self._write(asked)
        try:
            reply = await super().call(link, head, *args)
        except BaseException:
            self._write(self.unanswered(asked))
            raise
        self._write(self.answered(args, reply, asked))
        return reply

    def call_sync(self, link: SyncLink, head: tuple[bytes, ...], *args: Any) -> Any:
        asked = self.asked(args)
        self._write(asked)
        try:
            reply = super().call_sync(link, head, *args)
        except BaseException:
            self._write(self.unanswered(asked))
            raise
        self._write(self.answered(args, reply, asked))
        return reply

    def asked(self, args: Sequence[Any]) -> list[Event]:
        """Return what is written before the call."""
        return []

    def unanswered(self, asked: Sequence[Event]) -> Iterable[Event]:
        """Return what is written when no reply was read."""
        return [Event(0, event.op, "info", event.job, event.call, event.token) for event in asked]

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        """Return what is written after the reply."""
        return []

    def _write(self, events: Iterable[Event]) -> None:
        if lines := list(events):
            self.journal.write(lines)


class _Enqueue(_Recorded):
    script = "enqueue"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call = _call(args)
        return [_new_job(call, *pair) for pair in _jobs(args, 6 + args[5])]

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        status, *answer = reply
        if status == b"FULL":
            return _answers(asked, "fail", "full")
        if status != b"OK":
            return self.unanswered(asked)
        answers = list(zip(asked, read_answer(answer), strict=False))
        added = {event.job for event, flag in answers if flag == ADDED}
        return [event for pair in answers for event in _enqueued(*pair, added)]


class _EnqueueOne(_Enqueue):
    script = "enqueue_one"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        return [_new_job(_call(args), args[2], "")]


class _EnqueuePlain(_Enqueue):
    script = "enqueue_plain"


class _EnqueueFlow(_Enqueue):
    script = "enqueue_flow"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        return super().asked(args[: 6 + args[5] + 3 * args[3]])

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        if reply[0] in (b"MISSING", b"CIRCLE"):
            return _answers(asked, "fail", reply[0].decode().lower())
        return super().answered(args, reply, asked)


class _Exchange(_Recorded):
    script = "exchange"

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._first: dict[str, int] = {}

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call = _call(args)
        self._first.setdefault(call, time.monotonic_ns())
        claim = [Event(0, "claim", "invoke", call=call)] if args[4] else []
        ends = _ends(args)
        marks = [_reordered() for at in ends if args[at + 2][0] == "l" and args[at + 4][:1] == b"t"]
        return [*claim, *marks[:1], *[_end(call, args, at) for at in ends]]

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        status, now, _, _, lost, claims, *_ = reply
        if status in {b"EARLY", b"STALE", b"WHOLE"}:
            return
        call = _call(args)
        first = self._first.pop(call, 0)
        # The answer to a copy tells the time of the copy, not that of the call.
        ms = int(now) if status in {b"OK", b"SEND"} else 0
        refused, doubtful = _refused(asked, lost)
        own_lease = str(args[5]).partition(" ")[2]
        for event in asked:
            if event.op == "claim":
                yield Event(0, "claim", call=call)
            if event.op in {"claim", "mark"}:
                continue
            phase: Phase = "fail" if event.job in refused or status == b"NONE" else "ok"
            if event.job in doubtful:
                phase = "info"
            cause = "lease_lost" if phase == "fail" else ""
            yield Event(0, event.op, phase, event.job, call, event.token, ms, cause=cause)
        for at in range(0, len(claims), 4):
            job, blob, fence, counts = claims[at : at + 4]
            header = read_header(blob.partition(b"\n")[0])
            generation, failures, gone = counts.split(b",")[:3] if counts else (1, 0, 0)
            yield Event(
                0,
                "claim",
                job=_text(job),
                call=call,
                token=f"{fence},{args[2]}",
                ms=ms,
                asked=first,
                generation=int(generation),
                failures=int(failures),
                lost=int(gone),
                deliveries=1 if "m" in header else _number(header, "d", _DELIVERIES),
                lease=int(own_lease or _number(header, "l", _LEASE_MS)),
                due=_number(header, "w", 0),
                worker=args[3],
            )


class _ExchangePlain(_Exchange):
    script = "exchange_plain"


class _Renew(_Recorded):
    script = "renew"

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        now, _, lost, _ = reply
        gone = set(lost)
        for job, renewal in zip(args[2::2], args[3::2], strict=True):
            token, _, lease = renewal.partition(" ")
            phase: Phase = "fail" if job in gone else "ok"
            yield Event(0, "renew", phase, _text(job), "", token, int(now), lease=int(lease))


class _Fire(_Recorded):
    script = "fire"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call = secrets.token_hex(4)
        events = [_new_job(call, *pair) for pair in _jobs(args, 9)]
        for event in events:
            event.plain = False
        return events

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        if reply in (-1, b""):
            return _answers(asked, "fail", "not_due")
        # It does not say which job was replaced.
        answers = zip(asked, reply.decode().replace(REPLACES, _THERE), strict=True)
        return [event for pair in answers for event in _enqueued(*pair, ())]


class _Replay(_Recorded):
    script = "replay"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call = secrets.token_hex(4)
        return [Event(0, "replay", "invoke", _text(job), call) for job in args[2:]]

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        # Of more than 4 MiB at once the last ones were left out, and are asked for again.
        letters, _ = split_reply(reply)
        letters += [b""] * (len(asked) - len(letters))
        for event, letter in zip(asked, letters, strict=True):
            phase: Phase = "ok" if letter and letter.lower() in args[1].encode() else "fail"
            yield Event(0, "replay", phase, event.job, event.call)


class _Move(_Recorded):
    script = "move"
    cause = ""

    def asked(self, args: Sequence[Any]) -> list[Event]:
        return [Event(0, "move", "invoke", _text(args[1]), args[0][:8], cause=self.cause)]

    def unanswered(self, asked: Sequence[Event]) -> Iterable[Event]:
        return [replace(event, phase="info") for event in asked]


class _Cancel(_Move):
    script = "cancel"
    cause = "cancel"

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        phase: Phase = "fail" if reply in {b"c", b"d", b"x", b""} else "ok"
        return [replace(event, phase=phase) for event in asked]


class _Prune(_Cancel):
    script = "prune"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call, jobs = args[0][:8], zip(args[2::3], args[3::3], strict=True)
        return [
            Event(0, "move", "invoke", _text(job), call, cause=self.cause)
            for job, line in jobs
            if line  # It was not only asked whether the job would be cancelled.
        ]

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        phases: Iterable[Phase] = ("ok" if digit == b"1"[0] else "fail" for digit in reply[1:])
        pairs = zip(asked, phases, strict=False)
        return [replace(event, phase=phase) for event, phase in pairs]


class _Remove(_Move):
    script = "remove"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call = args[0][:8]
        return [Event(0, "move", "invoke", _text(job), call, cause="remove") for job in args[3:]]

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        # Of more than 4 MiB at once the last ones were left out, and are asked for again.
        letters = reply.decode().ljust(len(asked), "-")
        return [
            replace(event, phase="ok" if letter.isupper() else "fail")
            for event, letter in zip(asked, letters, strict=True)
        ]


class _Promote(_Move):
    script = "promote"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call = args[0][:8]
        return [Event(0, "move", "invoke", _text(job), call) for job in args[2:]]


class _States(_Recorded):
    script = "states"

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        for job, letter in zip(args, reply, strict=True):
            # Whoever waits for results asks each second: what goes on is no news.
            if letter in {b"c", b"d", b"x", b""}:
                yield Event(0, "state", job=_text(job), cause=letter.decode())


class _Sweep(_Recorded):
    script = "sweep"

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        return [Event(0, "state", job=_text(job), cause="d") for job in reply[3]]


class _Repair(_Recorded):
    script = "repair"

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        return [Event(0, "state", job=_text(job), cause="corrupt") for job in reply[0]]


class _Limit(_Recorded):
    """What lets jobs pass others that came before, or rank higher."""

    script = "limit"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        return [_reordered()] if args[0][0] == "t" else []

    def unanswered(self, asked: Sequence[Event]) -> Iterable[Event]:
        return []


class _Close(_Limit):
    script = "close"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        return super().asked(args[1:])


class _Age(_Limit):
    script = "age"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        return [_reordered()]


class _Destroy(_Recorded):
    script = "destroy"

    def asked(self, args: Sequence[Any]) -> list[Event]:
        call = secrets.token_hex(4)
        return [Event(0, "mark", "invoke", call=call, cause="destroyed")]

    def unanswered(self, asked: Sequence[Event]) -> Iterable[Event]:
        return [replace(event, phase="info") for event in asked]

    def answered(self, args: Sequence[Any], reply: Any, asked: Sequence[Event]) -> Iterable[Event]:
        # Jobs that have not ended prevent it: then nothing was removed, and nothing is excused.
        return [replace(event, phase="ok" if reply == -1 else "fail") for event in asked]


def _reordered() -> Event:
    return Event(0, "mark", cause=REORDERED)


def _text(job: str | bytes) -> str:
    return job.decode(errors="replace") if isinstance(job, bytes) else job


def _call(args: Sequence[Any]) -> str:
    """Name a call: a copy that is sent again has the same incarnation and counter."""
    return f"{args[0][:8]}.{args[1]}"


def _jobs(args: Sequence[Any], first: int) -> Iterable[tuple[str, str]]:
    """Yield id and options of each new job in some arguments."""
    return zip(args[first::3], args[first + 1 :: 3], strict=True)


def _new_job(call: str, job: str, options: str) -> Event:
    header = read_header(options.partition(",")[2].encode())
    return Event(
        0,
        "enqueue",
        "invoke",
        _text(job),
        call,
        priority=_number(header, "p", 0),
        plain=_NO_MATTER.issuperset(header),
        # It may also die of a job on which it depends, without being claimed.
        expires=not header.keys().isdisjoint("vxf"),
    )


def _enqueued(asked: Event, flag: str, added: Collection[str]) -> Iterable[Event]:
    if flag in {ADDED, TAKEN}:
        return [Event(0, "enqueue", job=asked.job, call=asked.call, added=flag == ADDED)]
    # There is no job of this id, and will be none.
    cause = {OVER: "rate", LINE_FULL: "full"}.get(flag, "unique")
    refused = Event(0, "enqueue", "fail", asked.job, asked.call, cause=cause)
    if not flag.startswith(REPLACES):
        return [refused]
    other = Event(0, "enqueue", job=flag[1:], call=asked.call, cause=REPLACED)
    return [refused, replace(other, added=flag[1:] in added, expires=asked.expires)]


def _ends(args: Sequence[Any]) -> range:
    """Return where each completion stands in the arguments of an exchange."""
    first = 9 + args[8]
    return range(first, first + 5 * args[7], 5)


def _end(call: str, args: Sequence[Any], at: int) -> Event:
    job, token, what = args[at : at + 3]
    code, _, rest = what.partition(" ") if not what.isdecimal() else ("c", "", "")
    argument = rest.partition(" ")[0]
    delay = int(argument) if code in {"t", "z"} and argument else 0
    return Event(0, _ENDS[code], "invoke", _text(job), call, token, delay=delay)


def _refused(asked: Sequence[Event], lost: Sequence[bytes]) -> tuple[set[str], set[str]]:
    """Return the ids that were refused, and those of which one of several completions was."""
    times: dict[str, int] = {}
    for event in asked:
        times[event.job] = times.get(event.job, 0) + 1
    refused = [_text(job) for job in lost]
    doubtful = {job for job in refused if refused.count(job) != times.get(job, 0)}
    return set(refused) - doubtful, doubtful


def _answers(asked: Sequence[Event], phase: Phase, cause: str = "") -> list[Event]:
    return [Event(0, event.op, phase, event.job, event.call, cause=cause) for event in asked]


def _number(header: Mapping[str, str], letter: str, default: int) -> int:
    text = header.get(letter, "")
    try:
        return int(text)
    except ValueError:
        return default
