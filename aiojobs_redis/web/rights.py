"""What a caller may do: everything, only look, or a set of named actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from aiojobs_redis.errors import AiojobsError, ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ACTION_NAMES", "Forbidden", "Granted", "Rights", "read_rights"]

ACTION_NAMES = frozenset(
    {
        "enqueue",
        "retry",
        "cancel",
        "promote",
        "remove",
        "reschedule",
        "reprioritise",
        "pause",
        "resume",
        "drain",
        "clean",
        "replay_all",
        "promote_all",
        "limit",
        "unlimit",
        "trigger_schedule",
        "pause_schedule",
        "resume_schedule",
        "remove_schedule",
        "quiet_worker",
        "resume_worker",
        "stop_worker",
    }
)
"""Every action that can be allowed by itself."""


class Forbidden(AiojobsError):
    """The caller may not do that; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a caller may do, beside looking.

    Attributes:
        actions: Names of the actions that are allowed, of `ACTION_NAMES`.
        who: How the caller is called in the record of actions; None for what they came with.
        FULL: Every action.
        READ_ONLY: None of them.

    Raises:
        ConfigInvalid: There is no such action.
    """

    actions: frozenset[str]
    who: str | None = None

    FULL: ClassVar[Rights]
    READ_ONLY: ClassVar[Rights]

    def __post_init__(self) -> None:
        unknown = sorted(self.actions - ACTION_NAMES)
        if unknown:
            raise ConfigInvalid(
                f"there is no action {unknown[0]!r:.80}; the actions are "
                f"{', '.join(sorted(ACTION_NAMES))}"
            )

    def allows(self, action: str) -> bool:
        """Whether the caller may do that."""
        return action in self.actions

    @property
    def read_only(self) -> bool:
        """Whether the caller may only look."""
        return not self.actions

    def require(self, action: str) -> None:
        """Return if the caller may do that.

        Raises:
            Forbidden: They may not.
        """
        if not self.allows(action):
            allowed = ", ".join(sorted(self.actions)) or "only looking"
            raise Forbidden(
                f"you may not {action.replace('_', ' ')} here: you are allowed {allowed}. "
                "Nothing was changed."
            )

    def named(self, who: str) -> Rights:
        """Return the same for somebody of that name."""
        return Rights(self.actions, who)


Rights.FULL = Rights(ACTION_NAMES)
Rights.READ_ONLY = Rights(frozenset())

Granted: TypeAlias = "Rights | str | Iterable[str] | bool | None"


def read_rights(granted: object) -> Rights | None:
    """Return what a user's `access` has granted; None where that was nothing.

    Args:
        granted: `Rights`; ``"full"``, ``"read-only"`` or ``"denied"``; names of actions; True or
            False; None.

    Raises:
        ConfigInvalid: It is something else, or there is no such action.
    """
    if granted is None or granted is False or granted == "denied":
        return None
    if isinstance(granted, Rights):
        return granted
    if granted is True or granted == "full":
        return Rights.FULL
    if granted == "read-only":
        return Rights.READ_ONLY
    if isinstance(granted, set | frozenset | list | tuple):
        return Rights(frozenset(map(str, granted)))
    raise ConfigInvalid(
        "access must return 'full', 'read-only', 'denied', a set of actions or Rights, got "
        f"{granted!r:.80}"
    )
