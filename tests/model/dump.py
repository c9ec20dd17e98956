"""A queue in Redis and one of the reference in one form, to be compared.

The form says what the keys mean and not how they are written: an option at its default looks the
same whether it stands in the header or not, and so does a job without a run record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from tests.model.ranked import rank_of_job, rank_of_member
from tests.model.reference.job import DAY, Error, Job, Options, Token, Unique
from tests.model.reference.limits import Rule, Started
from tests.model.reference.queue import KEEP, Message, Operation, Queue, Round
from tests.model.reference.turns import Turns
from tests.support.flow_invariants import Flow
from tests.support.snapshots import INDEXES, Snapshot, options

__all__ = ["differences", "dump_of_keys", "dump_of_model", "error_of", "event_of", "message_of"]

STATES = {
    "q": "queued",
    "s": "scheduled",
    "b": "blocked",
    "r": "running",
    "t": "retrying",
    "c": "completed",
    "d": "dead",
    "x": "cancelled",
    "": "",
}
_OPERATION = re.compile(rb"(\d+),(\d+),(\d+),", re.DOTALL)
_BODY = re.compile(rb"([0-9a-f]+),(\d+),(.*)", re.DOTALL)
_UNIQUE = re.compile(rb"([ds-])([krf])(\d*)(\+?):(.*)", re.DOTALL)
_SCHEDULE = re.compile(rb"([0-9a-f]+),([01]),(\d+),(\d+),(\d*),(\d+),(\d*)\n(.*)", re.DOTALL)


def dump_of_model(queue: Queue) -> dict[str, Any]:
    """Return what the reference holds."""
    return {
        "jobs": {job.id: _job(job) for job in queue.jobs.values()},
        "meta": {
            "exists": queue.exists,
            "born": queue.born,
            "paused": queue.paused,
            "arrivals": queue.arrivals,
            "fronts": queue.fronts,
            "keyed": queue.keyed,
            "ranked": queue.ranked,
            "fence": queue.fence,
            "beat": queue.beat,
            "hold": queue.hold,
            "leader": queue.leader,
            "leader_until": queue.leader_until,
            "tight": queue.tight,
            "limits": queue.limited,
            "most": queue.most,
            "ageing": queue.ageing,
            "round": queue.round,
        },
        "turns": _of_turns(queue.turns),
        "ranks": {rank_of_job(job) for job in queue.jobs.values() if job.order is not None},
        "rules": dict(queue.rules),
        "closed": dict(queue.closed),
        "opens": dict(queue.opens),
        "started": {scope: each for scope, each in queue.started.items() if each.gone > queue.now},
        "wake": queue.wake,
        "due": queue.due,
        "operations": {name: list(each) for name, each in queue.operations.items()},
        "batches": dict(queue.batches),
        "full_at": dict(queue.full_at),
        "unique": dict(queue.unique),
        "followers": dict(queue.followers),
        "schedules": {name: vars(each) for name, each in queue.schedules.items()},
        "workers": dict(queue.workers),
        "words": dict(queue.words),
        "calls": {
            key: vars(call) | {"token": tuple(call.token)} for key, call in queue.calls.items()
        },
        "stats": dict(queue.stats),
        "edges": dict(queue.edges),
        "marks": set(queue.marks),
        "again": set(queue.again),
        "parents": dict(queue.parents),
        "queues": dict(queue.queues),
        "outbox": set(queue.outbox),
        "asked": set(queue.asked),
        "abroad": {name: tuple(known) for name, known in queue.abroad.items()},
        "sent": queue.sent,
        "handing": queue.handing,
    }


def _job(job: Job) -> dict[str, Any]:
    fields = vars(job) | {"written": vars(job.written), "options": vars(job.options)}
    del fields["id"]
    if job.ended:
        del fields["options"]
    fields["token"] = tuple(job.token) if job.token else None
    fields["waiters"] = sorted(job.waiters)
    fields["carries"] = job.carries and not job.ended
    for name in ("log", "new_log", "steps", "new_steps"):
        fields[name] = b"".join(fields[name])
    return fields


def dump_of_keys(copy: Snapshot, now: int) -> dict[str, Any]:
    """Return what the keys of a queue hold at this time."""
    meta = {name.decode(): value.decode() for name, value in copy.hashes["meta"].items()}
    numbers = {name: name for name in ("fence", "beat", "hold")}
    numbers |= {"arrivals": "sequence", "fronts": "front"}
    return {
        "jobs": {job.decode(): _stored_job(copy, job) for job in copy.hashes["jobs"]},
        "meta": {
            "exists": "schema" in meta,
            "born": _number(meta.get("born", "")),
            "paused": "paused" in meta,
            **{name: _number(meta.get(field, "")) for name, field in numbers.items()},
            "keyed": _number(copy.hashes["tags"].get(b"keyed", b"").decode()),
            "ranked": "ranked" in meta,
            "leader": meta.get("leader"),
            "leader_until": _number(meta.get("leader_until", "")),
            "tight": "tight" in meta,
            "limits": meta.get("limits", ""),
            "ageing": _number(meta.get("ageing", "")),
            "round": _round(meta.get("aged_from", "")),
            "most": tuple(_number(text) for text in meta.get("caps", ",,").split(",")),
        },
        "turns": _turns(copy.hashes["tags"]),
        "ranks": {rank_of_member(member) for member in copy.others["slots"] if member[:1] == b"w"},
        "rules": {
            _scope(name): _rule(text)
            for name, text in copy.hashes["limits"].items()
            if name[:1] != b"c"
        },
        "closed": {
            _scope(name[1:]): int(text)
            for name, text in copy.hashes["limits"].items()
            if name[:1] == b"c" and name != b"cursor"
        },
        "opens": {_scope(name): int(at) for name, at in copy.others["opens"].items()},
        "started": {
            _scope(name): started
            for name, text in copy.hashes["starts"].items()
            if (started := _started(text)).gone > now
        },
        "wake": bool(copy.others["wake"]),
        "due": bool(copy.others["due"]),
        "operations": {
            name.decode(): list(_operations(text)) for name, text in copy.hashes["ops"].items()
        },
        "batches": {name.decode(): _batch(text) for name, text in copy.hashes["producers"].items()},
        "full_at": {unquote(name.decode()): int(at) for name, at in copy.others["rates"].items()},
        "unique": {key.decode(): _holder(text) for key, text in copy.hashes["unique"].items()},
        "followers": {
            name.decode(): tuple(text.decode().split(",", 1))
            for name, text in copy.hashes["followers"].items()
        },
        "schedules": {
            name.decode(): _stored_schedule(text, copy.others["ticks"].get(name))
            for name, text in copy.hashes["schedules"].items()
        },
        "workers": {name.decode(): _worker(text) for name, text in copy.hashes["workers"].items()},
        "words": {
            name.removeprefix("word "): text
            for name, text in meta.items()
            if name.startswith("word ")
        },
        "calls": {
            key.decode(): _call(text, copy.others["once_ends"].get(text[:1] + key))
            for key, text in copy.hashes["once"].items()
        },
        "stats": {
            _counter(field): int(number)
            for field, number in copy.hashes["stats"].items()
            # Which sweep of a minute is the first is a matter of time: samples are not compared.
            if b"," in field and b",," not in field
        },
        **_flow(copy.flow),
    }


def _scope(name: bytes) -> str:
    return unquote(name.decode())


def _rule(text: bytes) -> Rule:
    return Rule(*(_number(part) for part in text.split(b",")))


def _started(text: bytes) -> Started:
    gone, window, steps = text.decode().split(",")
    tick, ticks = 0, []
    for step in steps.split():
        more, _, count = step.partition(":")
        tick += int(more)
        ticks.append((tick, int(count)))
    started = Started(int(window), tuple(ticks))
    assert started.gone == int(gone), text
    return started


def _turns(tags: dict[bytes, bytes]) -> dict[str, Any]:
    found = Turns()
    for field, tag in tags.items():
        priority, _, key = field.decode().partition(",")
        if field == b"debts" or re.fullmatch(rb"page\d+", field):
            for one in tag.decode().split("\n")[1:-1]:
                priority, _, key = one.partition(",")
                found.debts.add((int(priority), unquote(key)))
        elif priority in ("w", "scale", "keyed", "pages"):
            continue
        elif re.fullmatch(r"s-?\d+", priority):
            found.floors[int(priority[1:]), unquote(key)] = int(tag)
        elif key:
            found.last[int(priority), unquote(key)] = int(tag)
        else:
            found.heads[int(priority)] = int(tag)
    return _of_turns(found)


def _of_turns(turns: Turns) -> dict[str, Any]:
    return {"heads": turns.heads, "ahead": turns.ahead(), "debts": turns.debts}


def _flow(flow: Flow) -> dict[str, Any]:
    parents = {_name(child): [_name(one) for one in own] for child, own in flow.parents.items()}
    until, _, who = flow.handing.decode().partition(",")
    return {
        "edges": {(_name(one), _name(two)): at for (one, two), at in flow.edges.items()},
        "marks": {_name(one) for one in flow.marks},
        "again": {_name(one) for one in flow.again},
        "parents": parents,
        "queues": {(_name(job), queue.decode()): at for (job, queue), at in flow.queues.items()},
        "outbox": {(queue.decode(), _name(job)) for queue, job in flow.outbox},
        "asked": {_name(name) for name in flow.asked},
        "abroad": {
            _name(name): (flow.numbers[name], letter, flow.values.get(name), flow.enqueued[name])
            for name, letter in flow.abroad.items()
        },
        "sent": flow.sent,
        "handing": (int(until), who) if until else None,
    }


def _name(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _number(text: str | bytes) -> int | None:
    return int(text) if text else None


def _round(text: str) -> Round | None:
    if not text:
        return None
    moment, top, score, name = text.split(" ", 3)
    return Round(int(moment), int(top), (int(score), name))


def _stored_job(copy: Snapshot, name: bytes) -> dict[str, Any]:
    run, letter = copy.run(name), copy.state(name)
    header, _, spec = copy.hashes["jobs"][name].partition(b"\n")
    written = options(header)
    in_force = options(run["header"]) if run else written
    index, score = next(
        ((index, copy.sets[index][name]) for index in INDEXES[letter] if name in copy.sets[index]),
        ("", 0.0),
    )
    place = int(score) if letter == "q" else None
    if run and letter in "rb":
        place = _number(run["score"])
    found: dict[str, Any] = {
        "spec": spec,
        "written": vars(_options(written)),
        "options": vars(_options(in_force)) if in_force else None,
        "state": STATES[letter],
        "place": place,
        "suspect": index == "suspects",
        "time": int(score) if letter != "q" else None,
        "kept": index == "kept",
        "token": (int(run["fence"]), run["nonce"].decode()) if run and run["fence"] else None,
        "generation": int(run["generation"]) if run else 1,
        "failures": int(run["failures"]) if run else 0,
        "lost": int(run["lost"]) if run else 0,
        "to_cancel": "z" in in_force,
        "parked_for": in_force["n"].decode() if "n" in in_force else None,
        **_held(in_force),
        "worker": run["worker"].decode() if run else "",
        "started": _number(run["started"]) if run else None,
        "finished": _number(run["finished"]) if run else None,
        "result": copy.hashes["results"].get(name),
        "errors": [error_of(line) for line in copy.hashes["errors"].get(name, b"").splitlines()],
        "waiters": sorted(copy.hashes["waiters"].get(name, b"").decode().split()),
        "carries": "j" in in_force,
        **_left(copy, name),
    }
    if STATES[letter] in ("completed", "dead", "cancelled") and not in_force:
        del found["options"]
    return found


def _held(header: dict[str, bytes]) -> dict[str, Any]:
    how = header.get("h", b"---").decode()
    key, task = unquote(header.get("g", b"").decode()), how[3:]
    scopes = f"k{key}", f"b{task}/{key}", f"t{task}"
    held = [scope for scope, each in zip(scopes, how, strict=False) if each in "hb"]
    back = [scope for scope, each in zip(scopes, how, strict=False) if each in "pb"]
    assert len(back) < 2, header
    turn = _number(header.get("t", b""))
    return {
        "slots": tuple(sorted(held)),
        "held_back": back[0] if back else None,
        "turn": turn,
        "order": _number(header.get("O", b"")),
    }


def _left(copy: Snapshot, name: bytes) -> dict[str, Any]:
    extras = copy.hashes["extras"]
    fields = {kind: extras.get(kind.encode() + name) for kind in "pslc"}
    said, bodies = {}, {}
    for kind in "pslc":
        fence, number, body = (fields[kind] or b",,").split(b",", 2)
        bodies[kind] = body
        if fence:
            said[kind] = (int(fence), int(number))
    return {
        "progress": bodies["p"] if "p" in said else None,
        "saved": bodies["s"] if "s" in said else None,
        "log": extras.get(b"o" + name, b""),
        "new_log": bodies["l"],
        "steps": extras.get(b"d" + name, b""),
        "new_steps": bodies["c"],
        "said": said,
    }


def _options(header: dict[str, bytes]) -> Options:
    values = {
        letter: _number(each) for letter, each in header.items() if letter not in "ejznugahfvty"
    }
    return Options(
        enqueued=int(header["e"], 36),
        priority=values.get("p") or 0,
        due=values.get("w"),
        arrival=values.get("q"),
        lease=values.get("l") or 15_000,
        max_deliveries=values.get("d") or 3,
        max_starts=values.get("o"),
        starts=values.get("s") or 0,
        restarted="v" in header,
        windows=header["y"].decode() if "y" in header else None,
        at_most_once="m" in header,
        lifo="L" in header,
        expires=values.get("x"),
        keep_dead=30 * DAY if "k" not in header else int(header["k"]),
        keep_cancelled=KEEP if "c" not in header else int(header["c"]),
        key=unquote(header["g"].decode()) if "g" in header else None,
        key_priority=values.get("G") or 0,
        counted="b" in header,
        unique=_unique(header["u"]) if "u" in header else None,
        began=values.get("i") or 1,
        task=header["a"].decode() if "a" in header else None,
        on_parent_failure=header["f"].decode() if "f" in header else None,
        named=values.get("P"),
    )


def _unique(text: bytes) -> Unique:
    parts = _UNIQUE.fullmatch(text)
    assert parts, text
    until = {b"d": "done", b"s": "started", b"-": "window"}[parts[1]]
    conflict = {b"k": "keep", b"r": "replace", b"f": "follow"}[parts[2]]
    return Unique(parts[5].decode(), until, _number(parts[3]), bool(parts[4]), conflict)


def _holder(text: bytes) -> tuple[str, int | None]:
    end, _, name = text.decode().partition(",")
    return name, _number(end)


def error_of(line: bytes) -> Error:
    """Return a recorded error without what is for people."""
    fields = json.loads(line)
    return Error(fields["type"], int(fields["at"]), fields["attempt"])


def _ids(text: bytes) -> tuple[str, ...]:
    found = []
    while text:
        length, _, text = text.partition(b":")
        found.append(text[: int(length)].decode())
        text = text[int(length) :]
    return tuple(found)


def _operations(text: bytes) -> Iterator[Operation]:
    while text:
        head = _OPERATION.match(text)
        assert head, text
        body = text[head.end() : head.end() + int(head[3])]
        text = text[head.end() + int(head[3]) :]
        if not body:
            yield Operation(int(head[1]), int(head[2]))
            continue
        parts = _BODY.fullmatch(body)
        assert parts, body
        size = int(parts[2])
        lost, claimed = _ids(parts[3][:size]), _ids(parts[3][size:])
        yield Operation(int(head[1]), int(head[2]), parts[1].decode(), lost, claimed)


def _batch(text: bytes) -> tuple[int, int, str]:
    counter, time, flags = text.decode().split(",", 2)
    return int(counter), int(time), flags


def _stored_schedule(text: bytes, tick: float | None) -> dict[str, Any]:
    parts = _SCHEDULE.fullmatch(text)
    assert parts, text
    return {
        "revision": parts[1].decode(),
        "paused": parts[2] == b"1",
        "runs": int(parts[3]),
        "missed": int(parts[4]),
        "last_tick": _number(parts[5]),
        "anchor": int(parts[6]),
        "declared": _number(parts[7]),
        "definition": parts[8],
        "tick": None if tick is None else int(tick),
    }


def _call(text: bytes, look: float | None) -> dict[str, Any]:
    _, ends, fence, nonce, rest = text.split(b",", 4)
    return {
        "ends": _number(ends),
        "look": None if look is None else int(look),
        "token": (int(fence), nonce.decode()),
        "rest": rest,
    }


def _worker(text: bytes) -> tuple[int, bytes]:
    time, _, info = text.partition(b",")
    return int(time), info


def _counter(field: bytes) -> tuple[int, str, str]:
    minute, task, what = field.decode().split(",")
    return int(minute), task, what


def event_of(fields: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return an entry of the events: ids by kind and task, and the worker as ``@``."""
    return {
        kind.decode(): [value.decode()] if kind == b"@" else list(_ids(value))
        for kind, value in fields.items()
    }


def message_of(channel: bytes, text: bytes) -> Message:
    """Return what a process was told that waits for a job, or a worker that runs it."""
    if b":cancel:" in channel:
        worker = channel.decode().rpartition(":")[2]
        if text == b"beat":
            return Message(worker, "beat", "", None)
        lease, _, rest = text.partition(b" ")
        length, _, rest = rest.partition(b":")
        fence, _, nonce = lease.decode().partition(",")
        name, error = rest[: int(length)].decode(), error_of(rest[int(length) :])
        return Message(worker, "cancel", name, error, Token(int(fence), nonce))
    length, _, rest = text[2:].partition(b":")
    state, value = STATES[text[:1].decode()], rest[int(length) :]
    ill = state in ("dead", "cancelled")
    outcome = (error_of(value.splitlines()[-1]) if ill else value) if text[1:2] == b"v" else None
    return Message(channel.decode(), state, rest[: int(length)].decode(), outcome)


def differences(real: Any, model: Any, path: str) -> Iterator[str]:
    """Return a line for each value that is not the same."""
    if real == model:
        return
    if isinstance(real, dict) and isinstance(model, dict):
        for key in sorted({*real, *model}, key=str):
            one, other = real.get(key, "nothing"), model.get(key, "nothing")
            yield from differences(one, other, f"{path}.{key}".replace(" .", " "))
    else:
        yield f"{path}: Redis has {real!r}, the model {model!r}".replace(": : ", ": ")
