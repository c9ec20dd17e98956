"""What is fuzzed: each target takes any bytes, and raises nothing but what it is allowed to."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import click
import msgspec

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    Cron,
    EncryptedCodec,
    PayloadRejected,
    SignedCodec,
    check_history,
)
from aiojobs_redis._redis.inspector import Inspector, read_errors
from aiojobs_redis._redis.planner import _stored
from aiojobs_redis._redis.probe import read_section
from aiojobs_redis._redis.store import Claim
from aiojobs_redis._redis.url import endpoint_of
from aiojobs_redis._redis.waiter import Waiter
from aiojobs_redis.cli.main import cli
from aiojobs_redis.codec import CallCodec, decode_untyped, decode_untyped_result
from aiojobs_redis.schedule import Schedule
from aiojobs_redis.spec import SpecWriter, enqueued_ms, read_header, read_spec
from aiojobs_redis.worker.run import Run

__all__ = ["TARGETS", "Target"]


class Target(NamedTuple):
    """One thing to fuzz.

    Attributes:
        run: Takes the bytes.
        allowed: What it may raise.
        seeds: Inputs that mean something to it.
    """

    run: Callable[[bytes], Any]
    allowed: tuple[type[BaseException], ...]
    seeds: list[bytes]


async def _task(number: int, text: str = "", more: dict[str, list[float]] | None = None) -> str:
    return text


_encode = msgspec.msgpack.encode
_CODEC = CallCodec(_task, name="task")
_KEYS = {"k": b"0" * 32}
_CALL = _CODEC.encode((1, "x"), {"more": {"a": [1.5]}})
_SPEC = SpecWriter("task").write(_CALL, {"attempts": 3, "timeout": 5}, {"h": "x"})
_SCHEDULE = Schedule("task", _SPEC, cron="*/5 * * * *", tz="Europe/Berlin", missed="all")
_INTERVAL = Schedule("task", _SPEC, every_ms=60_000, limit=5, overlap="skip")
_HISTORY = "\n".join(
    json.dumps(line)
    for line in (
        {"ns": 1, "op": "open", "format": 1, "queue": "q", "process": "p", "boot": "b"},
        {"ns": 2, "op": "enqueue", "phase": "invoke", "job": "a", "call": "c"},
        {"ns": 3, "op": "enqueue", "phase": "ok", "job": "a", "call": "c", "ms": 5},
        {"ns": 4, "op": "claim", "phase": "ok", "job": "a", "token": "1,n", "ms": 6},
    )
)


def _spec(data: bytes) -> None:
    spec = read_spec(data)
    _CODEC.decode(spec.call)


def _header(data: bytes) -> None:
    enqueued_ms(read_header(data))
    lane: Any = SimpleNamespace(queue=SimpleNamespace(name="q"))
    run = Run(lane, Claim(b"id", data, 1), "nonce", 0.0)
    run.hold(1.0)
    assert (run.once, run.context.scheduled_for) is not None


def _record(data: bytes) -> None:
    store: Any = SimpleNamespace(queue="q", sealing=None)
    parts = (data.split(b"|") + [b""] * 6)[:6]
    Inspector(store)._info(*parts)


def _workers(data: bytes) -> None:
    async def ask(name: str) -> list[bytes]:
        return [b"w", data, b"", b"other", b'5,{"host":"h"}', data[:9]]

    store: Any = SimpleNamespace(queue="q", ask=ask)
    _ended(Inspector(store).workers())


def _schedule(data: bytes) -> None:
    for stored in _stored([b"id", data, b"1000"]):
        stored.info()
        stored.schedule.plan(stored.tick or 0, 2_000, stored.anchor, stored.runs)


def _cron(data: bytes) -> None:
    text, _, zone = data.decode("latin-1").partition("|")
    cron = Cron(text, zone or "UTC")
    cron.next_after_ms(1_700_000_000_000)


def _cli(data: bytes) -> None:
    words = [word.decode("utf-8", "replace") for word in data.split(b"\0")]
    # Only as far as the words are understood: nothing is run.
    command: click.Command = cli
    context = click.Context(command)
    while isinstance(command, click.Group):
        with command.make_context(command.name, words, parent=context) as context:
            rest = [*context._protected_args, *context.args]
            if not rest:
                return
            name, found, words = command.resolve_command(context, rest)
            if found is None:
                return
            command = found
    command.make_context(name, words, parent=context)


def _history(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h.jsonl"
        path.write_bytes(data)
        check_history(path, drained=True)


def _message(data: bytes) -> None:
    server: Any = SimpleNamespace(mailbox=lambda: None)
    store: Any = SimpleNamespace(namespace="n", queue="q", server=server)
    Waiter(store)._hear(data)


def _info(data: bytes) -> None:
    async def call(*words: str) -> bytes:
        return data

    link: Any = SimpleNamespace(call=call)
    _ended(read_section(link, "server"))


def _ended(coroutine: Any) -> None:
    with contextlib.suppress(StopIteration):
        coroutine.send(None)


_HEADER = b",em9s3k00,p10,l20000,x1700000000000,m1"
TARGETS: Mapping[str, Target] = {
    "spec": Target(_spec, (ArgumentsInvalid,), [_SPEC, _encode([1, "task", [[1]]])]),
    "call": Target(_CODEC.decode, (ArgumentsInvalid,), [_CALL]),
    "untyped call": Target(decode_untyped, (ArgumentsInvalid,), [_CALL]),
    "result": Target(_CODEC.decode_result, (ArgumentsInvalid,), [_encode("x")]),
    "untyped result": Target(
        decode_untyped_result, (ArgumentsInvalid,), [_encode({"a": [1, 2.5, None, b"x"]})]
    ),
    "header": Target(_header, (), [_HEADER + b"\n" + _SPEC]),
    "record": Target(
        _record,
        (),
        [
            b"id|" + _HEADER + b"\n" + _SPEC + b"|r,7,n,5,1,0,0,w,1700000000000,,p1||",
            b"id|,e0\n|d,,,,2,1,0,w,5,6,|" + b'{"type":"E","message":"m","at":5}|7',
        ],
    ),
    "workers": Target(
        _workers,
        (),
        [
            b'1700000000000,{"host":"h","pid":1,"version":"1","started_at":1.5,"concurrency":1,'
            b'"running":0}'
        ],
    ),
    "errors": Target(
        lambda data: read_errors(data, None, b"id"),
        (),
        [
            b'{"type":"E","message":"m","traceback":"t","at":1700000000000,"attempt":2}\n{"type":"F"}'
        ],
    ),
    "schedule": Target(
        _schedule,
        (ConfigInvalid,),
        [
            b"ab12,0,3,0,500,0,\n" + _SCHEDULE.encode(),
            b"ab12,1,3,0,,900,1000\n" + _INTERVAL.encode(),
        ],
    ),
    "cron": Target(
        _cron, (ConfigInvalid,), [b"*/5 * * * *|Europe/Berlin", b"0 0 1-7 * MON#2,5L", b"@daily"]
    ),
    "url": Target(
        lambda data: endpoint_of(data.decode("latin-1")),
        (ConfigInvalid,),
        [
            *(b"redis://u:p@h:6379/0?db=1", b"unix:///p?db=2", b"rediss://[::1]:1/0"),
            *(b"redis+sentinel://a,b:1/m/0?sentinel_password=x", b"redis+cluster://a:1,b:2"),
        ],
    ),
    "cli": Target(
        _cli,
        (click.ClickException, click.exceptions.Exit),
        [
            b"worker\0app:queue\0--concurrency\x005\0--burst",
            b"enqueue\0app:q\0task\x001\0--delay\x005\0--json",
            b"job\0ls\0app:q\0--state\0dead",
            b"doctor\0--help",
        ],
    ),
    "history": Target(_history, (ConfigInvalid,), [_HISTORY.encode()]),
    "message": Target(_message, (), [b"cv2:idx", b"d-2:id"]),
    "info": Target(_info, (), [b"# Server\r\nredis_version:7.0.15\r\n"]),
    "signed": Target(
        lambda data: SignedCodec(_KEYS).open(data, b""),
        (PayloadRejected,),
        [SignedCodec(_KEYS).seal(_SPEC, b"")],
    ),
    "encrypted": Target(
        lambda data: EncryptedCodec(_KEYS).open(data, b""),
        (PayloadRejected,),
        [EncryptedCodec(_KEYS).seal(_SPEC, b"")],
    ),
}
