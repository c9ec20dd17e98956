"""The options of a job that can be given as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from aiojobs_redis.dependencies import Edge, OnFailure
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.options import JobOptions
from aiojobs_redis.web.api.parameters import Instant, Text
from aiojobs_redis.web.api.validation import Invalid

__all__ = ["Options", "read_options"]

_HUNDRED_YEARS = 100 * 366 * 24 * 3600

Seconds = Annotated[float, msgspec.Meta(ge=0, le=_HUNDRED_YEARS)]


class Parent(msgspec.Struct, forbid_unknown_fields=True):
    """A job on which another one depends, and what its failure means for that one."""

    id: Text
    on_failure: OnFailure


class Options(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Options of a job; what is left out is as its task, or its queue, says.

    Durations are in seconds. ``expires`` is an instant, or seconds from the enqueue.
    """

    delay: Seconds | msgspec.UnsetType = msgspec.UNSET
    at: Instant | msgspec.UnsetType = msgspec.UNSET
    priority: Annotated[int, msgspec.Meta(ge=-1024, le=1023)] | msgspec.UnsetType = msgspec.UNSET
    id: Text | msgspec.UnsetType = msgspec.UNSET
    key: Text | msgspec.UnsetType = msgspec.UNSET
    key_priority: Annotated[int, msgspec.Meta(ge=0, le=1023)] | msgspec.UnsetType = msgspec.UNSET
    lifo: bool | msgspec.UnsetType = msgspec.UNSET
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | msgspec.UnsetType = msgspec.UNSET
    backoff: (
        Annotated[list[Seconds], msgspec.Meta(min_length=1, max_length=1000)] | msgspec.UnsetType
    ) = msgspec.UNSET
    timeout: (
        Annotated[float, msgspec.Meta(ge=0.001, le=_HUNDRED_YEARS)] | msgspec.UnsetType | None
    ) = msgspec.UNSET
    lease: Annotated[float, msgspec.Meta(ge=0.5, le=_HUNDRED_YEARS)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    max_deliveries: Annotated[int, msgspec.Meta(ge=1, le=1000)] | msgspec.UnsetType = msgspec.UNSET
    max_starts: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | msgspec.UnsetType = msgspec.UNSET
    delivery: Literal["at_least_once", "at_most_once"] | msgspec.UnsetType = msgspec.UNSET
    expires: Instant | Seconds | msgspec.UnsetType = msgspec.UNSET
    keep_result: Seconds | msgspec.UnsetType | None = msgspec.UNSET
    keep_dead: Seconds | msgspec.UnsetType | None = msgspec.UNSET
    keep_cancelled: Seconds | msgspec.UnsetType | None = msgspec.UNSET
    unique: bool | Text | msgspec.UnsetType = msgspec.UNSET
    headers: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    depends_on: Annotated[list[Text | Parent], msgspec.Meta(max_length=250)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    on_parent_failure: OnFailure | msgspec.UnsetType = msgspec.UNSET


def read_options(options: Options) -> JobOptions:
    """Return what was given as the options of a job.

    Raises:
        Invalid: A value is out of range; the error names the option.
    """
    given: dict[str, Any] = {
        name: value
        for name in Options.__struct_fields__
        if (value := getattr(options, name)) is not msgspec.UNSET
    }
    if options.depends_on is not msgspec.UNSET:
        given["depends_on"] = [
            Edge(one.id, one.on_failure) if isinstance(one, Parent) else one
            for one in options.depends_on
        ]
    for name, value in given.items():
        _checked({name: value}, f"$.options.{name}")
    return _checked(given, "$.options")


def _checked(given: dict[str, Any], field: str) -> JobOptions:
    try:
        return JobOptions(**given).for_job()
    except ConfigInvalid as error:
        raise Invalid(f"{field}: {error}. Nothing was written.", field) from None
