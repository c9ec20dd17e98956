"""Builds flows: calls, and which of them wait for which others.

A flow is a list of calls in an order in which each stands behind those it waits for. What is put
behind a flow waits for its ends, those of its calls for which no other one waits. What the failure
of a call means for those behind it is said by an `Edge` around it, and else by each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from aiojobs_redis.dependencies import Dependency, Edge
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.given import named
from aiojobs_redis.ids import new_id
from aiojobs_redis.neighbours import same_queue
from aiojobs_redis.options import JobOptions
from aiojobs_redis.task import BoundCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis.dependencies import OnFailure
    from aiojobs_redis.queue import Queue

__all__ = ["Flow", "chain", "check_flow", "group", "join"]


class Step(NamedTuple):
    """A call of a flow.

    Attributes:
        call: The call.
        after: Places in the flow of those that it waits for.
        on_failure: What its failure means for those behind it; None where each of them says so.
    """

    call: BoundCall[Any]
    after: tuple[int, ...]
    on_failure: OnFailure | None = None


class Placed(NamedTuple):
    """A call of a flow that is to be added.

    Attributes:
        queue: The queue that it goes to.
        id: The id of its job.
        call: The call, with this id and with the jobs that it waits for.
        after: As for `Step`.
    """

    queue: Queue
    id: str
    call: BoundCall[Any]
    after: tuple[int, ...]


class Flow:
    """Calls that are enqueued together, some of which wait for others.

    Made by `chain`, `group` and `join`, enqueued by `Queue.enqueue_flow`. It can be a part of
    another flow, and be enqueued again and again.

    Attributes:
        steps: Its calls, each behind those it waits for.
    """

    __slots__ = ("steps",)

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps: tuple[Step, ...] = tuple(steps)

    def __repr__(self) -> str:
        return f"<Flow of {len(self.steps)} jobs>"

    def placed(self, home: Queue) -> list[Placed]:
        """Return the calls with ids, the queues they go to, and those that each waits for.

        Args:
            home: The queue of calls that belong to no other one.

        Raises:
            ConfigInvalid: Two of them were given the same id in the same queue, or an edge leads
                nowhere.
        """
        for at in _ends(self):
            if self.steps[at].on_failure is not None:
                raise ConfigInvalid(
                    f"nothing of the flow is behind its call {at + 1}, of "
                    f"{self.steps[at].call.task!r:.80}, and so no Edge(...): an edge stands around "
                    "what others wait for. Nothing was written."
                )
        places: list[Dependency] = []
        queues = [home]
        for step in self.steps:
            id = step.call.options.values.get("id") or new_id()
            place = Dependency(id, _owner(step, queues))
            if place in places:
                raise ConfigInvalid(
                    f"two jobs of the flow have the id {place.id!r:.80}: give each its own"
                )
            places.append(place)
        return [self._placed(places, at) for at in range(len(self.steps))]

    def _placed(self, places: Sequence[Dependency], at: int) -> Placed:
        step, (id, queue, _) = self.steps[at], places[at]
        own = JobOptions(id=id)
        if step.after:
            before = [
                Dependency(
                    places[place].id,
                    None if places[place].queue is queue else places[place].queue,
                    self.steps[place].on_failure,
                )
                for place in step.after
            ]
            given = step.call.options.values.get("depends_on", ())
            own = JobOptions(id=id, depends_on=[*before, *given])
        call = msgspec.structs.replace(step.call, options=own.over(step.call.options))
        return Placed(queue, id, call, step.after)


Part: TypeAlias = BoundCall[Any] | Flow | Edge[BoundCall[Any]] | Edge[Flow]
"""What a flow is made of."""


def chain(*parts: Part) -> Flow:
    """Return a flow in which each part starts when the one before has ended.

    A part is a call, a flow, or an `Edge` to one of them.

    Raises:
        ConfigInvalid: There is no part, or one is neither a call nor a flow.
    """
    steps: list[Step] = []
    ends: tuple[int, ...] = ()
    for flow in _flows("chain", parts):
        first = len(steps)
        steps += [
            step._replace(after=tuple(at + first for at in step.after) or ends)
            for step in flow.steps
        ]
        ends = tuple(at + first for at in _ends(flow))
    return Flow(steps)


def group(*parts: Part) -> Flow:
    """Return a flow whose parts run side by side.

    A part is a call, a flow, or an `Edge` to one of them.

    Raises:
        ConfigInvalid: There is no part, or one is neither a call nor a flow.
    """
    steps: list[Step] = []
    for flow in _flows("group", parts):
        first = len(steps)
        steps += [
            step._replace(after=tuple(at + first for at in step.after)) for step in flow.steps
        ]
    return Flow(steps)


def join(parts: Part, call: Part) -> Flow:
    """Return a flow in which a call starts when all of some parts have ended.

    Args:
        parts: What it waits for, usually a `group`.
        call: The call, which reads the results of the ends of the parts.

    Raises:
        ConfigInvalid: One is neither a call nor a flow.
    """
    return chain(parts, call)


def check_flow(flow: object) -> Flow:
    """Return what is to be enqueued as a flow.

    Raises:
        ConfigInvalid: It is none.
    """
    if isinstance(flow, Flow):
        return flow
    raise ConfigInvalid(
        f"enqueue_flow takes what chain(), group() or join() returns, got {named(flow)}: write "
        "group(task.bind(argument), ...). Nothing was written."
    )


def _flows(name: str, parts: Sequence[Any]) -> list[Flow]:
    if not parts:
        raise ConfigInvalid(
            f"{name}() needs one part at least: calls made by task.bind(), or flows"
        )
    flows: list[Flow] = []
    for part in parts:
        inner, policy = (part.job, part.on_failure) if isinstance(part, Edge) else (part, None)
        if isinstance(inner, BoundCall):
            flows.append(Flow([Step(inner, (), policy)]))
        elif isinstance(inner, Flow):
            flows.append(_leading_on(inner, policy))
        else:
            raise ConfigInvalid(
                f"{name}() takes calls made by task.bind(), flows and edges to them, "
                f"got {named(inner)}"
            )
    return flows


def _leading_on(flow: Flow, policy: OnFailure | None) -> Flow:
    """Return a flow of which the failure of an end means this, where the end does not say."""
    if policy is None:
        return flow
    ends = set(_ends(flow))
    return Flow(
        [
            step._replace(on_failure=step.on_failure or policy) if at in ends else step
            for at, step in enumerate(flow.steps)
        ]
    )


def _ends(flow: Flow) -> list[int]:
    waited = {at for step in flow.steps for at in step.after}
    return [at for at in range(len(flow.steps)) if at not in waited]


def _owner(step: Step, queues: list[Queue]) -> Queue:
    """Return the queue of a call, each as one object: of `queues`, of which the home is first."""
    owner: Queue | None = step.call.owner
    if owner is None:
        return queues[0]
    for queue in queues:
        if same_queue(queue, owner):
            return queue
    queues.append(owner)
    return owner
