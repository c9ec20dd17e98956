"""Files of events, read into a `History`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.history.events import FINISHES, FORMAT, REORDERED, REPLACED, decode_event
from aiojobs_redis.history.model import ACCEPTED, REFUSED, Deed, History, Job, Lease, Mark

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from aiojobs_redis.history.events import Event

__all__ = ["Collector", "files_of"]


def files_of(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files of a history, each once however often and by whichever way it is named.

    Args:
        paths: Files, and folders whose ``*.jsonl`` are meant.

    Raises:
        ConfigInvalid: There is no such file, or a folder has none.
    """
    files: dict[Path, Path] = {}
    for path in map(Path, paths):
        found = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not found or not path.exists():
            raise ConfigInvalid(
                f"there is no history in {str(path)!r}: give files, or folders with *.jsonl files, "
                "as queue.record_history() makes them"
            )
        for file in found:
            # Read twice, each start of it would be a second one.
            files.setdefault(file.resolve(), file)
    return list(files.values())


class Collector:
    """Reads events.

    Attributes:
        history: What was read.
    """

    def __init__(self) -> None:
        self.history: History = History()
        self._boot = ""
        self._jobs: dict[str, Job] = {}
        self._leases: dict[str, Lease] = {}
        self._by_queue: dict[str, dict[str, Lease]] = {}
        self._faults: dict[str, Mark] = {}
        handlers: dict[str, Callable[[Event, int], None]] = {
            "open": self._open,
            "enqueue": self._enqueue,
            "claim": self._claim,
            "start": self._start,
            "end": self._end,
            "renew": self._renew,
            "expire": self._expire,
            "replay": self._replay,
            "move": self._move,
            "state": self._state,
            "mark": self._mark,
        }
        self._handlers = handlers | dict.fromkeys(FINISHES, self._finish)

    def read(self, path: Path) -> None:
        """Read one file.

        Raises:
            ConfigInvalid: It cannot be read, or a line of it that is not the last is no event.
        """
        name = str(path)
        self._use("")
        try:
            with path.open("rb") as lines:
                self._read(name, lines)
        except OSError as error:
            raise ConfigInvalid(f"{name} cannot be read: {error}") from error

    def _read(self, name: str, lines: Iterable[bytes]) -> None:
        history, handlers = self.history, self._handlers
        at = len(history.files) * History.LINES
        history.files.append(name)
        first = at
        for line in lines:
            at += 1
            if line[-1:] != b"\n":
                # Its writer was killed, or is writing it now: it counts as not written.
                history.torn.append(name)
                at -= 1
                break
            try:
                event = decode_event(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise ConfigInvalid(
                    f"{history.place(at)} is no event of a history: {error}. Files that were "
                    "joined after a crash have a torn line in the middle: check them one by one."
                ) from error
            handlers[event.op](event, at)
        history.events += at - first

    def _use(self, queue: str) -> None:
        self._jobs = self.history.queues.setdefault(queue, {})
        self._leases = self._by_queue.setdefault(queue, {})
        self._queue = queue

    def _job(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            job = self._jobs[job_id] = Job(job_id, self._queue)
        return job

    def _lease(self, event: Event) -> Lease:
        lease = self._leases.get(event.token)
        if lease is None:
            lease = self._leases[event.token] = Lease(event.token)
            self._job(event.job).leases.append(lease)
        return lease

    def _open(self, event: Event, line: int) -> None:
        if event.format > FORMAT:
            raise ConfigInvalid(
                f"{self.history.place(line)} has format {event.format}, this version reads up to "
                f"{FORMAT}: check it with the version that wrote it"
            )
        if event.boot and self._boot not in {"", event.boot}:
            raise ConfigInvalid(
                f"{self.history.place(line)} was recorded on another machine, or before another "
                "start of it, than the files before: their times cannot be compared. Check the "
                "files of each machine apart."
            )
        self._boot = event.boot
        self._use(event.queue)

    def _enqueue(self, event: Event, line: int) -> None:
        job = self._job(event.job)
        deed = next((deed for deed in job.enqueues() if deed.call == event.call), None)
        if deed is None:
            deed = Deed(event.call, "enqueue", event.ns, line)
            if job.enqueue is None:
                job.enqueue = deed
            else:
                job.more = [*(job.more or ()), deed]
        if event.phase == "invoke":
            deed.invoked = min(deed.invoked, event.ns)
            job.priority, job.plain = event.priority, event.plain
            deed.expires = event.expires
        else:
            _answer(deed, event, line)
            deed.added = event.added
            deed.replaced = event.cause == REPLACED
            deed.expires |= event.expires

    def _claim(self, event: Event, line: int) -> None:
        key = (self._queue, event.call)
        if event.phase != "ok":
            self.history.claims.setdefault(key, event.ns)
            return
        if not event.job:
            self.history.answered.add(key)
            return
        lease = self._lease(event)
        if lease.granted:
            owner = self._job(event.job)
            if lease.call != event.call or lease not in owner.leases:
                self.history.granted_twice.append((lease, line, owner))
            return
        lease.granted, lease.claim, lease.call = event.ns, line, event.call
        lease.asked = event.asked or event.ns
        lease.ms, lease.due = event.ms, event.due
        if event.ms and event.lease:
            lease.until = max(lease.until, event.ms + event.lease)
        lease.generation, lease.failures, lease.lost = event.generation, event.failures, event.lost
        lease.deliveries, lease.worker = event.deliveries, event.worker

    def _start(self, event: Event, line: int) -> None:
        lease = self._lease(event)
        if not lease.starts or event.ns < lease.started:
            lease.started = event.ns
        lease.starts = (*lease.starts, line)
        lease.attempt, lease.attempts = event.attempt, event.attempts

    def _end(self, event: Event, line: int) -> None:
        self._lease(event)

    def _renew(self, event: Event, line: int) -> None:
        lease = self._lease(event)
        if event.phase == "ok" and event.ms:
            lease.until = max(lease.until, event.ms + event.lease)
            if event.ms > lease.renewed:
                lease.renewed, lease.renewal = event.ms, line

    def _finish(self, event: Event, line: int) -> None:
        lease = self._lease(event)
        deed = lease.finish
        if deed is None:
            deed = lease.finish = Deed(event.call, event.op, event.ns, line)
        elif deed.call != event.call or deed.kind != event.op:
            same = [d for d in lease.more or () if d.call == event.call and d.kind == event.op]
            deed = same[0] if same else Deed(event.call, event.op, event.ns, line)
            if not same:
                lease.more = [*(lease.more or ()), deed]
        if event.phase == "invoke":
            deed.invoked = min(deed.invoked, event.ns)
            deed.delay = event.delay
        else:
            _answer(deed, event, line)
            deed.ms = event.ms

    def _expire(self, event: Event, line: int) -> None:
        job = self._job(event.job)
        job.expiries = (*job.expiries, event.ms)

    def _replay(self, event: Event, line: int) -> None:
        job = self._job(event.job)
        job.replays = _with_request(job.replays, event, line)

    def _move(self, event: Event, line: int) -> None:
        job = self._job(event.job)
        job.moved = min(job.moved or event.ns, event.ns)
        if event.cause in {"cancel", "remove"}:
            job.cancels = _with_request(job.cancels, event, line)

    def _state(self, event: Event, line: int) -> None:
        job = self._job(event.job)
        if event.cause == "corrupt":
            job.corrupt = (*job.corrupt, (event.ns, line))
        if event.cause in {"c", "d", "x", "corrupt"}:
            job.ended = max(job.ended, event.ns)
        if event.ns >= job.seen:
            job.state, job.seen, job.sight = event.cause, event.ns, line

    def _mark(self, event: Event, line: int) -> None:
        if event.cause == "drained":
            self.history.drained[self._queue] = line
            return
        if event.cause == REORDERED:
            self.history.reordered.add(self._queue)
            return
        mark = self._faults.get(event.call) if event.call else None
        if mark is None:
            # A fault of Redis is one of all queues; what destroys a queue leaves the others alone.
            queue = self._queue if event.cause == "destroyed" else ""
            mark = Mark(event.cause, queue, event.ns, line)
            self.history.marks.append(mark)
            if event.call:
                self._faults[event.call] = mark
        mark.begin = min(mark.begin, event.ns)
        if event.phase == "fail":
            self.history.marks = [other for other in self.history.marks if other is not mark]
        elif event.phase != "invoke":
            mark.end = event.ns


def _with_request(deeds: tuple[Deed, ...], event: Event, line: int) -> tuple[Deed, ...]:
    """Return the requests to do something with a job, with one more or one that is answered."""
    deed = next((deed for deed in deeds if deed.call == event.call), None)
    if deed is None:
        deed = Deed(event.call, event.cause or event.op, event.ns, line)
        deeds = (*deeds, deed)
    if event.phase == "invoke":
        deed.invoked, deed.line = min(deed.invoked, event.ns), line
    elif event.phase != "fail" or not deed.accepted:
        # Of an id that one call gives twice, the second is refused.
        _answer(deed, event, line)
    return deeds


def _answer(deed: Deed, event: Event, line: int) -> None:
    if event.phase == "info":
        # The outcome stays what it is: open, or what another copy of the call found out.
        return
    deed.outcome = ACCEPTED if event.phase == "ok" else REFUSED
    deed.answered, deed.answer = event.ns, line
