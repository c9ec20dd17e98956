"""One real queue and one of the reference, called alike and compared after every call."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from tests.model.dump import differences, dump_of_keys, dump_of_model
from tests.model.fronts import what_went_first
from tests.model.ranked import what_traded
from tests.model.real import Real
from tests.model.reference import (
    abroad,
    ageing,
    circles,
    detaching,
    enqueue,
    exchange,
    limits,
    notes,
    once,
    operating,
    schedules,
    unique,
    upkeep,
)
from tests.model.reference.job import DAY
from tests.model.reference.queue import Queue
from tests.model.steps import History, Step, happenings, step_faults
from tests.model.strategies import IDS
from tests.support.invariants import faults

__all__ = ["START", "Pair"]

CALLS: dict[str, Callable[..., Any]] = {
    name: getattr(module, name)
    for module in (
        *(abroad, ageing, circles, detaching, enqueue, exchange, limits, notes, once),
        *(operating, schedules, unique, upkeep),
    )
    for name in module.__all__
    if callable(getattr(module, name)) and name[0].islower()
}
START = 100 * DAY


class Pair(RuleBasedStateMachine):
    """A state machine without rules.

    Attributes:
        url: The server; it is emptied before each run.
        runner: Runs what is asynchronous.
        seen: What kinds of things happened, over all runs.
        foreign: The key that the next call meets as a plain string.
        operated: The last call that was made by `operate`: its name, arguments and options.
        say: Tells of each call, should one be wrong.
    """

    url: ClassVar[str]
    runner: ClassVar[asyncio.Runner]
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.real = Real(self.url, self.runner)
        self.model = Queue(now=START)
        self.foreign: str | None = None
        self.operated: Any = None
        self.say: Callable[[str], Any] = note
        self._operations = itertools.count(1)
        self._history = History()
        self._saved: tuple[Queue, History, dict[bytes, bytes]] | None = None
        self._before: dict[str, Any] = self.real.dump(START)
        self.real.set_clock(START)

    def teardown(self) -> None:
        self.real.close()

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        """Make a call to both, compare all, and return the answer; None where it was refused."""
        self.say(f"    t={self.model.now - START} {name}{args} {options or ''}")
        if self.foreign is None:
            reply = getattr(self.real, name)(*args, **options)
        else:
            key, self.foreign = self.foreign, None
            reply = self.real.meets_a_foreign_key(key, name, *args, **options)
            if reply is None:
                self.compare()
                return None
        model, before = self.model, self._before
        answer = CALLS[name](model, *args, **options)
        found = list(differences(reply, answer, "reply: "))
        events = [model.happened] if model.happened else []
        found += differences(self.real.new_events(), events, "events: ")
        found += differences(self.real.new_messages(), model.messages, "messages: ")
        model.happened, model.messages = {}, []
        found += self.look()
        step = Step(name, args, model.now, before, self._before, reply)
        found += [*step_faults(step), *self._history.faults(step)]
        self.seen.update(happenings(step))
        self.seen.update(what_went_first(step))
        self.seen.update(what_traded(step))
        assert not found, "\n".join(found)
        return reply

    def operate(self, name: str, *args: Any, **options: Any) -> Any:
        """Make a call under a number, by which it is known where it is sent again."""
        numbered = (f"r-{next(self._operations)}", *args)
        self.operated = name, numbered, options
        return self.call(name, *numbered, **options)

    def look(self) -> list[str]:
        """Read the keys; return what is wrong with them, and what the model has otherwise."""
        keys = self.real.snapshot()
        self._before = dump_of_keys(keys, self.model.now)
        known = self.model.jobs
        states = [known[name].state if name in known else "" for name in IDS]
        told = differences(self.real.states(*IDS), states, "states: ")
        return [
            *faults(keys),
            *told,
            *differences(self._before, dump_of_model(self.model), "dump: "),
        ]

    def compare(self) -> None:
        """Compare where no call was made, or none that had an effect."""
        found = self.look()
        assert not found, "\n".join(found)

    def at(self, now: int) -> None:
        """Let the clock of both have this time; there is one before which it never was."""
        self.model.now = max(now, START - 20_000)
        self.real.set_clock(self.model.now)

    def save(self) -> None:
        """What is on the disk, or on the replica, from now on."""
        self._saved = *copy.deepcopy((self.model, self._history)), self.real.save()

    def load(self) -> None:
        """Let both be as they were saved; time goes on."""
        if self._saved is not None:
            model, self._history, keys = copy.deepcopy(self._saved)
            model.now, self.model = self.model.now, model
            self.real.load(keys)
            self.compare()
