"""The same calls as those of the reference, made to a real server through the store.

Each method takes what the function of that name in `tests.model.reference` takes, and answers
alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.link import Link
from aiojobs_redis._redis.store import Store
from aiojobs_redis.spec import quote_key
from tests.model.dump import STATES, dump_of_keys, error_of, event_of, message_of
from tests.model.reference.enqueue import NO_FLOORS
from tests.model.reference.exchange import Exchange
from tests.model.reference.job import Error, NewJob, Token
from tests.model.reference.limits import Rule
from tests.model.reference.notes import Note
from tests.model.reference.queue import Message
from tests.model.words import completion_words, error_line, lengths, or_never, pruned, words_of
from tests.support.other_clock import CLOCK
from tests.support.scripts import netstrings
from tests.support.snapshots import Snapshot, snapshot, sync_client

__all__ = ["NAMESPACE", "QUEUE", "Real"]

NAMESPACE, QUEUE = "model", "q"
_FINISHED = "completed", "dead", "cancelled"


class _Tap:
    """A link that keeps the last reply, for what the typed methods leave out."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.server = link.server
        self.reply: Any = None
        self.close = link.close
        self.follow = link.follow
        self.receive = link.receive
        self.say = link.say
        self.abort = link.abort

    @property
    def connection(self) -> object | None:
        return self._link.connection

    async def call(self, *args: Any, timeout: float | None = None) -> Any:
        self.reply = None
        self.reply = await self._link.call(*args, timeout=timeout)
        return self.reply


class Real:
    """A queue on a server that holds nothing else.

    Args:
        url: The server; it is emptied.
        runner: Runs what is asynchronous.
    """

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        # Without the handler of signals that a run would set and take away: a tenth of the time.
        self._run = runner.get_loop().run_until_complete
        client: Any = sync_client(url)
        self.raw = client
        self.raw.flushall()
        self.store = Store(Server.from_url(url), NAMESPACE, QUEUE)
        self._tap = _Tap(self.store.server.link())
        self._events = "-"
        self._listener: Any = self.raw.pubsub()
        self._listener.psubscribe("*")
        self._listener.get_message(timeout=5)

    def close(self) -> None:
        """Close the connections."""
        self._tap.abort()
        self._run(self.store.server.close())
        self._listener.close()
        self.raw.close()

    # Looking at it

    def set_clock(self, now: int) -> None:
        """Set the time by which the scripts go."""
        self.raw.set(CLOCK, now)

    def snapshot(self) -> Snapshot:
        """Return the keys."""
        copy = snapshot(self.raw, NAMESPACE, QUEUE)
        assert copy is not None
        return copy

    def dump(self, now: int) -> dict[str, Any]:
        """Return the keys in the form of the reference, at this time."""
        return dump_of_keys(self.snapshot(), now)

    def digest(self) -> bytes:
        """Return the server's digest of all that it holds."""
        return bytes(self.raw.execute_command("DEBUG", "DIGEST"))

    def new_events(self) -> list[dict[str, list[str]]]:
        """Return the entries of the events since the last look.

        What jobs have emitted, which stands in entries of its own, is put to the last other one.
        """
        entries: Any = self.raw.xrange(self.store.keys["events"], self._events)
        if entries:
            self._events = "(" + entries[-1][0].decode()
        found: list[dict[str, list[str]]] = []
        for event in (event_of(fields) for _, fields in entries):
            if "emitted" in event and found:
                found[-1].setdefault("emitted", []).extend(event["emitted"])
            else:
                found.append(event)
        return found

    def new_messages(self) -> list[Message]:
        """Return what was published since the last look."""
        found: list[Message] = []
        self._listener.ping("end")
        while True:
            message: Any = self._listener.get_message(timeout=5)
            assert message is not None, "the server did not answer a PING within 5 s"
            if message["type"] == "pong":
                return found
            found.append(message_of(message["channel"], message["data"]))

    def forget_events(self) -> None:
        """Look at the events from their begin the next time: they are those of another queue."""
        self._events = "-"

    def save(self) -> dict[bytes, bytes]:
        """Return all keys of the queue, as bytes to load again."""
        names = [key for key in self.store.keys.values() if self.raw.exists(key)]
        return {key: self.raw.dump(key) for key in names}

    def load(self, keys: dict[bytes, bytes]) -> None:
        """Let the queue have these keys and no others."""
        self.raw.delete(*self.store.keys.values())
        for key, text in keys.items():
            self.raw.restore(key, 0, text)
        self._events = "-"
        self.new_events()

    def pop_marker(self, name: str) -> None:
        """Take a marker, as a worker does that blocks on it."""
        self.raw.zpopmin(self.store.keys[name])

    def states(self, *names: str) -> list[str]:
        """Return the states of jobs as a user is told."""
        return [STATES[letter.decode()] for letter in self._script("states", *names)]

    # The calls

    def _script(self, name: str, *args: Any) -> Any:
        return self._run(self.store.run(self._tap, name, *args))

    def enqueue(
        self,
        producer: str,
        counter: int,
        jobs: Sequence[NewJob],
        max_length: int = 0,
        rate: tuple[int, int] | None = None,
        most: int | None = None,
    ) -> list[Any]:
        names = list(dict.fromkeys(job.task for job in jobs))
        waits = int(any(job.delay is not None or job.at is not None for job in jobs))
        waits = 2 if any(job.unique for job in jobs) else waits
        limit = f"{rate[0]} {rate[1]}" if rate else ""
        head = (producer, counter, lengths(max_length, most), waits, limit, len(names), *names)
        keyed = rate or most or any(job.unique or job.key for job in jobs)
        # Where both will do, they take turns.
        script = "enqueue" if keyed or counter % 2 else "enqueue_plain"
        reply = self._script(script, *head, *words_of(jobs, names))
        return [part.decode() if isinstance(part, bytes) else part for part in reply]

    def enqueue_flow(
        self,
        producer: str,
        counter: int,
        jobs: Sequence[NewJob],
        max_length: int = 0,
        rate: tuple[int, int] | None = None,
        most: int | None = None,
        told: Sequence[tuple[str, str]] = (),
        floors: Mapping[str, int] = NO_FLOORS,
    ) -> list[Any]:
        names = list(dict.fromkeys(job.task for job in jobs))
        limit = f"{rate[0]} {rate[1]}" if rate else ""
        head = (producer, counter, lengths(max_length, most), len(jobs), limit, len(names), *names)
        lists = [netstrings(job.parents) for job in jobs if job.parents]
        pairs = [_bytes(word) for pair in told for word in pair]
        late = netstrings([str(one) for pair in floors.items() for one in pair])
        reply = self._script("enqueue_flow", *head, *words_of(jobs, names), *lists, late, *pairs)
        return [_text(part) if isinstance(part, bytes) else part for part in reply]

    def enqueue_one(self, producer: str, counter: int, new: NewJob) -> list[Any]:
        reply = self._script("enqueue_one", producer, counter, new.id, new.task, new.spec)
        return [part.decode() for part in reply]

    def exchange(self, call: Exchange) -> list[Any]:
        words = [word for ended in call.completions for word in completion_words(ended)]
        head = (call.incarnation, call.counter, call.nonce, call.worker, call.limit)
        suspect = f"{int(call.may_suspect)}" + (f" {call.lease}" if call.lease else "")
        counts = (suspect, call.after, len(call.completions), 1, "work")
        words = [*head, *counts, *words, *call.adopt]
        try:
            found = self._run(self.store.exchange(self._tap, words))
        except RuntimeError:
            status, now, due, tick, *_ = self._tap.reply
            return [status.decode(), now, due, tick, [], []]
        status = self._tap.reply[0].decode().replace("SEND", "OK")
        assert status != "STALE", "an exchange that came too late looks like one that was applied"
        assert found.exists == (status != "NONE")
        assert found.early == (status == "EARLY")
        due, tick = or_never(found.due_at), or_never(found.tick_at)
        lost = [name.decode() for name in found.lost]
        claims = [
            [
                claim.id.decode(),
                claim.blob.partition(b"\n")[2],
                claim.fence,
                (claim.generation, claim.failures, claim.lost, claim.carries),
            ]
            for claim in found.claims
        ]
        reply = [status, found.now, due, tick, lost, claims]
        refused = [name.decode() for name in found.refused]
        return [*reply, found.to_send, refused] if status == "OK" else reply

    def jot(self, notes: Sequence[Note]) -> list[Any]:
        words = [
            word
            for each in notes
            for word in (
                *(each.id, f"{each.token.fence},{each.token.nonce}"),
                *(each.kind, each.number, each.body),
            )
        ]
        done, lost = self._script("jot", *words)
        return [done, [name.decode() for name in lost]]

    def clear_log(self, name: str, keep: int) -> int:
        return int(self._script("clear_log", name, keep))

    def take_once(self, key: str, name: str, token: Token) -> list[Any]:
        status, *rest = self._script("take_once", key, name, f"{token.fence},{token.nonce}")
        return [status.decode(), *rest]

    def end_once(
        self, key: str, name: str, token: Token, keep: int | None, value: bytes = b""
    ) -> int:
        lease, ms = f"{token.fence},{token.nonce}", "" if keep is None else keep
        return int(self._script("end_once", key, name, lease, ms, value))

    def ask_worker(self, call: str, worker: str, letter: str) -> int:
        return int(self._script("ask_worker", call, worker, letter))

    def beat(self, *words: Any, first: bool = False) -> list[Any]:
        found = self._run(self.store.beat(self._tap, *words, first=first))
        assert -1 not in (found.due_at, found.tick_at), "never has a time"
        due, tick = or_never(found.due_at), or_never(found.tick_at)
        status = "OK" if found.exists else "NONE"
        flags = found.claimable + 2 * found.to_send + 4 * found.to_ask
        return [status, found.now, int(found.leads), due, tick, flags, found.parked, found.word]

    def expect(self, other: str, names: Sequence[str]) -> list[Any]:
        number, *flat = self._script("expect", other, 1, *map(_bytes, names))
        stamps = [stamp.decode() for stamp in flat[::2]]
        values = [_told(stamp[-1], value) for stamp, value in zip(stamps, flat[1::2], strict=True)]
        return [int(number), *zip(stamps, values, strict=True)]

    def post(self, who: str, taken: Sequence[tuple[str, str, str, bool]]) -> list[Any]:
        words = [word for *names, known in taken for word in (*map(_bytes, names), int(known))]
        number, *flat = self._script("post", who, "", *words)
        found = []
        for at in range(0, len(flat), 4):
            other, name, stamp = map(_text, flat[at : at + 3])
            found.append((other, name, stamp, _told(stamp[-1], flat[at + 3])))
        return [int(number), *found]

    def hear(self, told: Sequence[tuple[str, int, str, bytes]]) -> str:
        words = [word for name, *rest in told for word in (_bytes(name), *rest)]
        return str(self._script("hear", *words)[0].decode())

    def asking(self) -> list[tuple[str, int]]:
        flat = self._script("asking", "")
        names = [name.decode(errors="surrogateescape") for name in flat[::2]]
        return list(zip(names, map(int, flat[1::2]), strict=True))

    def waits(self, turn: int, names: Sequence[str]) -> list[tuple[str, str, str]]:
        flat = [*map(_text, self._script("waits", turn, *map(_bytes, names))[1:])]
        return list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))

    def break_wait(self, name: str, incarnation: str, parent: str) -> int:
        words = map(_bytes, (name, incarnation, parent))
        return int(self._script("break_wait", *words)[0])

    def leave(self, incarnation: str, worker: str) -> int:
        self._run(self.store.leave(self._tap, incarnation, worker))
        return int(self._tap.reply)

    def renew(
        self, incarnation: str, unread: int, leases: Sequence[tuple[str, Token, int]]
    ) -> list[Any]:
        words = [
            word
            for name, token, length in leases
            for word in (name, f"{token.fence},{token.nonce} {length}")
        ]
        found = self._run(self.store.renew(self._tap, incarnation, unread, words))
        lost = [name.decode() for name in found.lost]
        cancel = [(name.decode(), error_of(line)) for name, line in found.cancel.items()]
        return [found.now, found.confirmed, lost, cancel]

    def sweep(self, most: int, *, tight: bool = False) -> list[Any]:
        cursors = [0] * 5
        reply = self._script("sweep", most, *cursors, int(tight))
        removed, dead, ends, given_up, keys, *_ = reply
        assert ends == [b"0"] * len(cursors)
        return [removed, dead, [name.decode() for name in given_up], keys]

    def forgive(self) -> None:
        while self._script("forgive", 2):
            pass

    def repair(self) -> list[Any]:
        return list(self._script("repair", 100))

    def cancel(self, call: str, name: str, error: Error) -> str:
        return STATES[self._script("cancel", call, name, error_line(error)).decode()]

    def detach(self, call: str, name: str, parent: str) -> str:
        return _text(self._script("detach", call, *map(_bytes, (name, parent))))

    def prune(self, call: str, name: str, jobs: Sequence[tuple[str, Error | None, str]]) -> str:
        return _text(self._script("prune", call, _bytes(name), *pruned(jobs)))

    def change(self, name: str, before: bytes, spec: bytes) -> str:
        header = self.raw.hget(self.store.keys["jobs"], name) or b""
        blob = header.partition(b"\n")[0] + b"\n" + before
        return str(self._script("change", name, blob, spec).decode())

    def move(
        self,
        call: str,
        name: str,
        *,
        priority: int | None = None,
        delay: int | None = None,
        at: int | None = None,
        promote: bool = False,
    ) -> str:
        when = "now" if promote else "" if delay is None else f"y{delay}"
        when = when if at is None else f"w{at}"
        number = "" if priority is None else priority
        return STATES[self._script("move", call, name, number, when).decode()]

    def promote(self, call: str, states: Sequence[str], names: Sequence[str]) -> str:
        letters = "".join(letter for letter, state in STATES.items() if state in states)
        return str(self._script("promote", call, letters, *names).decode())

    def limit(self, scope: str, rule: Rule) -> int:
        words = ["" if each is None else str(each) for each in rule]
        text = "" if rule == Rule() else ",".join(words)
        name = scope if scope == "k*" else scope[0] + quote_key(scope[1:])
        return int(self._script("limit", name, text))

    def age(self, call: str, ms: int | None) -> int:
        return int(self._script("age", call, "" if ms is None else ms))

    def shut(self, call: str, scope: str, ms: int) -> int:
        return int(self._script("close", call, scope[0] + quote_key(scope[1:]), ms))

    def pause(self, call: str, *, paused: bool) -> int:
        return int(self._script("pause", call, int(paused)))

    def replay(self, call: str, names: Sequence[str]) -> list[str]:
        letters = [letter.decode() for letter in self._script("replay", call, "cdx", *names)]
        return [STATES.get(letter, letter) for letter in letters]

    def free(self, call: str, name: str) -> int:
        return int(self._script("free", call, name))

    def keep(self, call: str, most: tuple[int | None, int | None, int | None]) -> int:
        numbers = ("" if number is None else number for number in most)
        return int(self._script("keep", call, *numbers))

    def remove(
        self,
        call: str,
        states: Sequence[str],
        age: int,
        names: Sequence[str],
        moment: int | None = None,
    ) -> str:
        letters = "".join(letter for letter, state in STATES.items() if state in states)
        since = age if moment is None else f"@{moment}"
        return str(self._script("remove", call, letters, since, *names).decode())

    def outcome(self, name: str, channel: str) -> tuple[str, bytes | list[Error] | None]:
        letter, value = self._script("outcome", name, channel)
        state = STATES[letter.decode()]
        if state == "completed":
            return state, value or None
        return state, [
            error_of(line) for line in value.splitlines()
        ] if state in _FINISHED else None

    def destroy(self, born: int | None, *, force: bool) -> int | list[int]:
        found: int | list[int] = self._script("destroy", "" if born is None else born, int(force))
        return found

    def schedule(
        self,
        name: str,
        revision: str,
        expected: str,
        tick: int | None,
        anchor: int,
        *,
        declared: bool,
        definition: bytes,
    ) -> int:
        when = "" if tick is None else tick
        args = (name, revision, expected, when, anchor, int(declared), definition)
        return int(self._script("schedule", *args))

    def unschedule(self, call: str, name: str, before: int | None = None) -> int:
        return int(self._script("unschedule", call, name, "" if before is None else before))

    def pause_schedule(self, name: str, revision: str, tick: int | None, *, paused: bool) -> int:
        when = "" if tick is None else tick
        return int(self._script("pause_schedule", name, revision, int(paused), when))

    def fire(
        self,
        name: str,
        revision: str,
        tick: int,
        *,
        then: int | None,
        jobs: Sequence[NewJob],
        last: int,
        missed: int = 0,
        skip_overlap: bool = False,
        limit: int | None = None,
        most: int | None = None,
    ) -> int | str:
        skips = lengths(int(skip_overlap), most)
        moved = ("" if then is None else then, last, missed, skips)
        rules = ("" if limit is None else limit, "work")
        words = words_of(jobs, ["work"])
        made = self._script("fire", name, revision, tick, *moved, *rules, *words)
        return -1 if made == -1 else str(made.decode())

    def meets_a_foreign_key(self, key: str, name: str, *args: Any, **options: Any) -> Any:
        """Make a call while a key is a plain string; None where the call was refused.

        Raises:
            AssertionError: It was refused and had changed something.
        """
        real, aside = self.store.keys[key], b"aside"
        had = bool(self.raw.exists(real))
        if had:
            self.raw.rename(real, aside)
        self.raw.set(real, "foreign")
        before = self.digest()
        try:
            return getattr(self, name)(*args, **options)
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            if self.digest() != before:
                raise AssertionError(f"{name} failed at {key} and had written before") from error
            return None
        finally:
            self.raw.delete(real)
            if had:
                self.raw.rename(aside, real)


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _told(letter: str, value: bytes) -> Any:
    return [error_of(line) for line in value.splitlines()] if letter in "dx" else value
