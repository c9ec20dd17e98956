"""How many jobs of a queue, a task and a key may run at once, and how many may start in a window.

A job takes a slot of its key first, then one of its task and key together, then one of its task,
and holds them until it ends, is put off for a time of its own, or is parked because no worker knows
it. What finds a limit reached is held back under that scope: q, k and a key, b and task/key, t and
a task. Who is let out holds its slot from then.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tests.model.reference import lots

if TYPE_CHECKING:
    from tests.model.reference.job import Job
    from tests.model.reference.queue import Queue

__all__ = [
    "Rule",
    "Started",
    "hold_back_or_start",
    "let_go",
    "limit",
    "name_of",
    "open_scopes",
    "pass_on",
    "queue_room",
    "rule_of",
    "shut",
    "uncount",
]

ALL = "*"
_FALLBACK = 5_000


class Rule(NamedTuple):
    """A limit: jobs at once, starts in a window of ms; None for any number."""

    concurrency: int | None = None
    starts: int | None = None
    window: int | None = None


class Started(NamedTuple):
    """What has started in a window: counts by tick, each a 64th of it."""

    window: int
    ticks: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Milliseconds of a tick."""
        return max(1, math.ceil(self.window / 64))

    @property
    def gone(self) -> int:
        """When the last start is outside the window."""
        return (self.ticks[-1][0] + 1) * self.size + self.window


def limit(queue: Queue, scope: str, rule: Rule) -> int:
    """Set a limit, or take it away by one that limits nothing; whether that changed anything."""
    if queue.rules.get(scope, Rule()) == rule:
        return 0
    queue.open()
    if rule == Rule():
        del queue.rules[scope]
    else:
        queue.rules[scope] = rule
    _know(queue, scope)
    queue.opens[ALL if scope == of_each(scope) else scope] = queue.now
    queue.due = True
    return 1


def _know(queue: Queue, scope: str) -> None:
    if scope[0] not in queue.limited:
        queue.limited += scope[0]


def shut(queue: Queue, call: str, scope: str, ms: int) -> int:
    """Let no job of a scope start for so long; 0 to let them start again. Whether it was open."""
    if call in queue.batches:
        return int(queue.batches[call][2])
    queue.open()
    before = queue.closed.pop(scope, None)
    if ms > 0:
        close_for(queue, scope, ms)
    elif before is not None:
        queue.opens[scope] = queue.now
    queue.due = True
    until = before or 0
    changed = int(queue.now + ms / 2 > until if ms > 0 else until > queue.now)
    queue.remember(call, str(changed))
    return changed


def close_for(queue: Queue, scope: str, ms: int) -> None:
    """Close a scope; of several that ask for it the longest counts."""
    _know(queue, scope)
    queue.closed[scope] = max(queue.now + ms, queue.closed.get(scope, 0))
    queue.opens[scope] = queue.closed[scope]


def of_each(scope: str) -> str:
    """Return the scope whose limit each key has that has no other one, empty for none."""
    return {"k": "k*", "b": scope.partition("/")[0] + "/*"}.get(scope[0], "")


def rule_of(queue: Queue, scope: str) -> Rule | None:
    """Return the limit of a scope; each key has that of * unless it has its own."""
    rule = queue.rules.get(scope) or queue.rules.get(of_each(scope))
    closed = queue.closed.get(scope, 0) > queue.now
    return rule or (Rule() if closed else None)


def _finish_opening(queue: Queue, scope: str) -> None:
    if queue.closed.get(scope, 0) > queue.now:
        queue.opens[scope] = queue.closed[scope]
    else:
        queue.opens.pop(scope, None)
        queue.closed.pop(scope, None)


def _started(queue: Queue, scope: str, rule: Rule) -> Started:
    """Return what is in the window still, in ticks of the limit that is in force.

    Where the clock was set back by more than a window, it begins anew.
    """
    assert rule.window is not None
    before = queue.started.get(scope)
    now = Started(rule.window, ())
    last, current = (queue.now - rule.window) // now.size, queue.now // now.size
    ticks = []
    for tick, count in before.ticks if before else ():
        same = before is not None and before.size == now.size
        at = tick if same or before is None else ((tick + 1) * before.size - 1) // now.size
        if last <= at <= current + 64:
            ticks.append((at, count))
    return Started(rule.window, tuple(ticks))


def open_at(queue: Queue, scope: str, rule: Rule) -> int:
    """Return when one more may start, as far as the window and a closed scope go."""
    at = queue.closed.get(scope, 0)
    if rule.starts is None:
        return at
    started = _started(queue, scope, rule)
    over = sum(count for _, count in started.ticks) - rule.starts + 1
    for tick, count in started.ticks:
        if over <= 0:
            break
        over -= count
        at = max(at, (tick + 1) * started.size + started.window)
    return at


def room_of(queue: Queue, scope: str, rule: Rule) -> float:
    """Return how many may start now, as far as the window goes."""
    if open_at(queue, scope, rule) > queue.now:
        return 0
    if rule.starts is None:
        return math.inf
    return rule.starts - sum(count for _, count in _started(queue, scope, rule).ticks)


def count_start(queue: Queue, scope: str, rule: Rule) -> None:
    """Note that a job starts now."""
    started = _started(queue, scope, rule)
    tick, ticks = queue.now // started.size, list(started.ticks)
    if ticks and ticks[-1][0] >= tick:
        ticks[-1] = (ticks[-1][0], ticks[-1][1] + 1)
    else:
        ticks.append((tick, 1))
    queue.started[scope] = Started(started.window, tuple(ticks))
    queue.counted.add(scope)


def uncount(queue: Queue, job: Job) -> None:
    """Note that a job has not started, when it was claimed last: in the windows of that claim."""
    letters, _, task = (job.options.windows or "").partition("/")
    for letter in letters if queue.limited else "":
        key = job.options.key or ""
        scope = {"q": "q", "k": f"k{key}", "b": f"b{task}/{key}", "t": f"t{task}"}[letter]
        rule = rule_of(queue, scope)
        if rule is None or rule.starts is None:
            continue
        started = _started(queue, scope, rule)
        counts = dict(started.ticks)
        tick = (job.started or 0) // started.size
        if tick not in counts:
            continue
        counts[tick] -= 1
        ticks = tuple((at, count) for at, count in counts.items() if count)
        queue.started[scope] = Started(started.window, ticks)
        queue.counted.add(scope)
        queue.freed.add(scope)


def queue_room(queue: Queue, wanted: int) -> int:
    """Return how many of so many jobs may start, as far as the limit of the whole queue goes."""
    rule = rule_of(queue, "q")
    if rule is None:
        return wanted
    running = len(queue.of("running"))
    room = wanted if rule.concurrency is None else rule.concurrency - running
    return max(0, int(min(wanted, room, room_of(queue, "q", rule))))


def holders(queue: Queue, scope: str) -> int:
    """Return how many jobs hold a slot of a scope."""
    return sum(scope in job.slots for job in queue.jobs.values())


def _look_again(queue: Queue, scope: str, at: int) -> None:
    queue.opens[scope] = min(at, queue.opens.get(scope, at))


def _by_task(queue: Queue) -> bool:
    return bool({"b", "t"} & {*queue.limited})


def name_of(queue: Queue, job: Job) -> str:
    """Return by which task limits go for a job, empty where none do."""
    return job.limited_task or (job.options.task if _by_task(queue) else None) or ""


def _limits_of(queue: Queue, job: Job) -> list[tuple[str, Rule]]:
    key, name = job.options.key, job.limited_task or job.options.task
    scopes = [f"k{key}"] if key is not None else []
    if name and (_by_task(queue) or job.limited_task):
        scopes += [f"b{name}/{key}"] if key is not None and "b" in queue.limited else []
        scopes += [f"t{name}"]
    return [(scope, rule) for scope in scopes if (rule := rule_of(queue, scope)) is not None]


def _somebody_before(queue: Queue, job: Job, scope: str) -> bool:
    """Whether one that is held back there has a slot, or a better turn."""
    turn = lots.turn_in(queue, scope, job)
    own = (True, turn, (job.place or 0) if scope[0] == "t" else turn)
    waiting = [each for each in queue.jobs.values() if each.held_back == scope]
    return any(lots.in_order(scope, each)[:3] < own for each in waiting)


def _leave_room(queue: Queue, rules: list[tuple[str, Rule]]) -> None:
    """Let others be let out for the room that a job leaves in windows."""
    held_back = {each.held_back for each in queue.jobs.values()}
    for scope, rule in rules:
        if rule.starts is not None and room_of(queue, scope, rule) >= 1 and scope in held_back:
            queue.freed.add(scope)


def pass_on(queue: Queue, job: Job) -> None:
    """Leave its room to others: a job ends instead of starting."""
    if queue.limited:
        _leave_room(queue, _limits_of(queue, job))


def hold_back_or_start(queue: Queue, job: Job) -> bool:
    """Take the slots that a job needs; or hold it back, and return that it does not start."""
    rules = _limits_of(queue, job)
    for at, (scope, rule) in enumerate(rules):
        full = False
        if rule.concurrency is not None and holders(queue, scope) > rule.concurrency:
            job.slots = tuple(each for each in job.slots if each != scope)
        if scope not in job.slots:
            full = rule.concurrency is not None and holders(queue, scope) >= rule.concurrency
            room = room_of(queue, scope, rule)
            if not full and room >= 1 and _somebody_before(queue, job, scope):
                full = True
                queue.freed.add(scope)
            elif not full and rule.concurrency is not None:
                _hold(job, scope)
        if full or room_of(queue, scope, rule) < 1:
            _leave_room(queue, rules[at + 1 :])
            turn = lots.turn_in(queue, scope, job)
            job.place = job.place if scope[0] == "t" else turn
            job.turn = None if turn == job.place else turn
            job.state, job.time, job.token, job.held_back = "blocked", queue.now, None, scope
            job.suspect = False
            _give_back(queue, job, scope)
            opens_at = open_at(queue, scope, rule)
            if opens_at > queue.now:
                _look_again(queue, scope, opens_at)
            return False
    counted = [scope for scope, rule in rules if rule.starts is not None]
    for scope in counted:
        count_start(queue, scope, dict(rules)[scope])
    if queue.limited:
        job.turn = None
        whole = rule_of(queue, "q")
        letters = "q" if whole and whole.starts is not None else ""
        letters += "".join(scope[0] for scope in counted)
        windows = f"{letters}/{name_of(queue, job)}" if letters else None
        job.options = replace(job.options, windows=windows)
    return True


def _hold(job: Job, scope: str) -> None:
    job.slots = tuple(sorted({*job.slots, scope}))


def _give_back(queue: Queue, job: Job, scope: str) -> None:
    """Free what a job holds of later kinds than that of the scope that it waits for."""
    later = {each for each in job.slots if "kbt".index(each[0]) > "kbt".index(scope[0])}
    queue.freed |= later
    job.slots = tuple(each for each in job.slots if each not in later)


def let_go(queue: Queue, job: Job) -> None:
    """Free the slots of a job: it has ended, or waits for something else."""
    queue.freed.update(job.slots)
    job.slots, job.held_back, job.turn = (), None, None


def tell_freed(queue: Queue) -> None:
    """Leave what was freed to whoever looks next."""
    for scope in queue.freed:
        _look_again(queue, scope, queue.now)
    queue.freed = set()


def keep_starts(queue: Queue) -> None:
    """Look again when the windows that are full now have room."""
    for scope in queue.counted:
        rule = rule_of(queue, scope)
        if not queue.started[scope].ticks:
            del queue.started[scope]
        at = open_at(queue, scope, rule) if rule else 0
        if at > queue.now and (scope == "q" or scope in queue.opens):
            queue.opens[scope] = at
    queue.counted = set()


def open_scopes(queue: Queue) -> None:
    """Let out who may start where a slot was freed, a window has moved on or a limit changed."""
    found = {scope for scope, at in queue.opens.items() if at <= queue.now} | queue.freed
    queue.freed = set()
    jobs: list[Job] = []
    if ALL in found:
        found |= {job.held_back for job in queue.jobs.values() if job.held_back}
    for scope in sorted(found):
        if scope == ALL:
            queue.opens.pop(scope, None)
        elif scope == "q":
            _finish_opening(queue, scope)
        else:
            jobs += _release(queue, scope)
    for job in jobs:
        queue.come_back(job, job.place or 0)


def _release(queue: Queue, scope: str) -> list[Job]:
    """Let out the first of a scope: those that hold a slot of it, then by turn."""
    rule = rule_of(queue, scope)
    room = room_of(queue, scope, rule) if rule else math.inf
    waiting = [job for job in queue.jobs.values() if job.held_back == scope]
    waiting.sort(key=lambda job: lots.in_order(scope, job))
    out: list[Job] = []
    full = False
    for job in waiting:
        most = rule.concurrency if rule else None
        full = scope not in job.slots and most is not None and holders(queue, scope) >= most
        if full or len(out) >= room:
            break
        job.held_back = None
        if scope[0] == "t":
            job.turn = lots.turn_of(job)
        if most is not None:
            _hold(job, scope)
        out.append(job)
    if full or len(out) == len(waiting):
        _finish_opening(queue, scope)
    elif rule:
        at = open_at(queue, scope, rule)
        queue.opens[scope] = at if at > queue.now else queue.now + min(rule.window or 0, _FALLBACK)
    return out
