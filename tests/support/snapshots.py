"""The keys of a queue at one moment, read by one command, with the records of its jobs in parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import redis
from fakeredis import FakeRedis

from aiojobs_redis._redis.keys import KEY_NAMES, queue_keys
from aiojobs_redis._redis.memory import memory_server
from tests.support.acl import as_admin
from tests.support.flow_invariants import Flow, flow_of

__all__ = [
    "HASHES",
    "INDEXES",
    "OTHER_SETS",
    "SORTED_SETS",
    "Snapshot",
    "options",
    "snapshot",
    "sync_client",
]

INDEXES = {
    "q": ("ready", "suspects"),
    "s": ("scheduled",),
    "t": ("retrying",),
    "r": ("leases",),
    "b": ("blocked",),
    "c": ("completed", "kept"),
    "x": ("cancelled",),
    "d": ("dead",),
}
HASHES = (
    *("jobs", "runs", "results", "errors", "waiters", "meta"),
    *("ops", "producers", "schedules", "stats", "workers", "unique", "extras", "once"),
    *("limits", "tags", "starts", "flows", "followers"),
)
# Sorted sets that do not hold ids of jobs.
OTHER_SETS = ("ticks", "rates", "once_ends", "wake", "due", "slots", "opens", "edges")
SORTED_SETS = (*(name for names in INDEXES.values() for name in names), "unknown")
LARGE = 10_000

_RUN = re.compile(
    rb"(?P<state>[qstrbcxd]),(?P<fence>\d*),(?P<nonce>[0-9a-f]*),(?P<score>\d*),"
    rb"(?P<generation>[1-9]\d*),(?P<failures>\d+),(?P<lost>\d+),(?P<worker>[^,]*),(?P<started>\d*),(?P<finished>\d*)"
    rb"(?P<header>(?:,[a-zA-Z][^,\n]*)*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Snapshot:
    """The keys of a queue at one moment.

    Attributes:
        names: Every key of the server that belongs to the queue.
        hashes: Contents of its hashes, by short name.
        sets: Contents of its sorted sets, by short name: the indexes of its jobs, and `unknown`.
        others: Contents of the other sorted sets.
        passing: Keys that would go by themselves after a time.
    """

    names: frozenset[bytes]
    hashes: dict[str, dict[bytes, bytes]]
    sets: dict[str, dict[bytes, float]]
    others: dict[str, dict[bytes, float]] = field(default_factory=dict)
    passing: set[str] = field(default_factory=set)

    @property
    def exists(self) -> bool:
        """Whether the queue was used, and not destroyed since."""
        return b"schema" in self.hashes["meta"]

    def run(self, job: bytes) -> re.Match[bytes] | None:
        """Return the parts of a job's run record."""
        return _run(self.hashes["runs"].get(job, b""))

    def state(self, job: bytes) -> str:
        """Return the letter of a job's state."""
        if job not in self.hashes["runs"]:
            return "q"
        run = self.run(job)
        return run["state"].decode() if run else "?"

    @cached_property
    def flow(self) -> Flow:
        """Return which jobs depend on which."""
        return flow_of(self.others.get("edges", {}), self.hashes.get("flows", {}))

    def header(self, job: bytes) -> dict[str, bytes]:
        """Return a job's options, those of its run record before those of its enqueue."""
        run = self.run(job)
        written = self.hashes["jobs"].get(job, b"").partition(b"\n")[0]
        return options(written) | (options(run["header"]) if run else {})


# Many checks read the same records, again after every call.
@lru_cache(10_000)
def _run(text: bytes) -> re.Match[bytes] | None:
    return _RUN.fullmatch(text)


def options(header: bytes) -> dict[str, bytes]:
    """Return the options of a header by their letters."""
    return {part[:1].decode(): part[1:] for part in header.split(b",") if part}


def sync_client(url: str) -> redis.Redis:
    """Return a blocking client to the server of a fixture, for its default user."""
    if url.startswith("memory://"):
        memory: redis.Redis = FakeRedis(server=memory_server(url.removeprefix("memory://")))
        return memory
    return redis.Redis.from_url(as_admin(url), socket_timeout=5, socket_connect_timeout=5)


def snapshot(client: redis.Redis, namespace: str, queue: str) -> Snapshot | None:
    """Read a queue at one moment; None where it is too large for a test to look through."""
    keys = queue_keys(namespace, queue)
    if int(client.hlen(keys["jobs"])) > LARGE:
        return None
    sets = (*SORTED_SETS, *OTHER_SETS)
    wanted = [keys[name] for name in (*HASHES, *sets, *KEY_NAMES)]
    reply: Any = client.eval(_READ, len(wanted), *wanted, f"*{{{queue}}}*", len(HASHES), len(sets))
    contents = dict(zip((*HASHES, *sets), map(_pairs, reply[1:]), strict=False))
    scores = {name: {id: float(text) for id, text in contents[name].items()} for name in sets}
    ages = zip(KEY_NAMES, reply[-len(KEY_NAMES) :], strict=True)
    return Snapshot(
        names=frozenset(reply[0]),
        hashes={name: contents[name] for name in HASHES},
        sets={name: scores[name] for name in SORTED_SETS},
        others={name: scores[name] for name in OTHER_SETS},
        passing={name for name, age in ages if age >= 0},
    )


# One command: to read 70 by a pipeline takes redis-py longer than most tests take for all else.
_READ = """
local hashes, sets = tonumber(ARGV[2]), tonumber(ARGV[3])
local reply = { redis.call('KEYS', ARGV[1]) }
for i, key in ipairs(KEYS) do
  if i <= hashes then
    reply[i + 1] = redis.call('HGETALL', key)
  elseif i <= hashes + sets then
    reply[i + 1] = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  else
    reply[i + 1] = redis.call('PTTL', key)
  end
end
return reply
"""


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
