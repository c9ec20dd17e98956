"""The settings that a process may get from outside its code, and the environment's word on them.

What the code gives comes first, then the command line, then the environment, then the table
``[tool.aiojobs_redis]`` of ``pyproject.toml``, which only the command line reads, then the default.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ATTEMPTS",
    "SETTINGS",
    "Setting",
    "attempts_from_environment",
    "from_environment",
    "setting_or",
    "without_secrets",
]

_SECRET = re.compile(r"(?P<name>[\w-]*(?:password|secret|token)[\w-]*=)[^&\s]*", re.I)
ATTEMPTS: Final = range(1, 10_001)
"""Tries that a job may have."""


Kind = Literal["a text", "a whole number", "a number", "true or false", "a list of texts"]


class Setting(NamedTuple):
    """One setting.

    Attributes:
        name: Its key in ``pyproject.toml``.
        of: What takes it: ``queue``, ``worker``, ``web`` or ``commands``.
        default: Its value where nothing gives one; None for none.
        text: What it is, as in a help text.
        kind: What ``pyproject.toml`` has to give.
    """

    name: str
    of: str
    default: Any
    text: str
    kind: Kind = "a text"

    @property
    def variable(self) -> str:
        """Its environment variable; an empty one counts as not set."""
        return f"AIOJOBS_REDIS_{self.name.upper()}"


_ALL: Final = (
    Setting("url", "queue", "redis://localhost:6379/0", "Where Redis is; REDIS_URL comes next."),
    Setting("namespace", "queue", "ajr", "First part of every key."),
    Setting(
        "attempts",
        "queue",
        3,
        "Tries of a job for which neither it nor its task says.",
        "a whole number",
    ),
    Setting(
        "read_only",
        "commands",
        False,
        "Whether commands that change something are refused.",
        "true or false",
    ),
    Setting("concurrency", "worker", 10, "Jobs at once.", "a whole number"),
    Setting(
        "processes",
        "worker",
        1,
        "Worker processes, each with that many jobs at once.",
        "a whole number",
    ),
    Setting(
        "executor_processes",
        "worker",
        None,
        "Processes for tasks with executor='process'; one a CPU by default.",
        "a whole number",
    ),
    Setting("grace", "worker", 25.0, "Seconds that running jobs get after a signal.", "a number"),
    Setting(
        "queues",
        "worker",
        (),
        "One of the queues of APP and its share of the slots; all of them by default.",
        "a list of texts",
    ),
    Setting("heartbeat_file", "worker", None, "File that is touched every second, for --check."),
    Setting(
        "metrics_port",
        "worker",
        None,
        "Serve metrics for Prometheus here; 0 for a free port.",
        "a whole number",
    ),
    Setting("metrics_host", "worker", "127.0.0.1", "Whoever reaches this address can read them."),
    Setting("host", "web", "127.0.0.1", "Address on which the dashboard listens."),
    Setting(
        "port", "web", 8765, "Port of the dashboard; 0 for one that is free.", "a whole number"
    ),
    Setting("token_file", "web", None, "File with the token that gives access to the dashboard."),
    Setting(
        "trace_url",
        "web",
        None,
        "Where the trace of a job is shown, with {trace_id} in place of its id.",
    ),
    Setting("log_level", "worker", "info", "Lowest level that is logged."),
    Setting("log_format", "worker", "pretty", "Lines for people, or one JSON object a line."),
)

SETTINGS: Final[Mapping[str, Setting]] = {setting.name: setting for setting in _ALL}


def from_environment(name: str) -> str | None:
    """Return what the environment says of a setting; None where it says nothing."""
    return os.environ.get(SETTINGS[name].variable) or None


def setting_or(name: str, given: str | None) -> str:
    """Return what the code gives, else the environment, else the default."""
    if given is not None:
        return given
    return from_environment(name) or str(SETTINGS[name].default)


def attempts_from_environment() -> int | None:
    """Return the tries that the environment gives to a job; None where it says nothing.

    Raises:
        ConfigInvalid: It is no number from 1 to 10,000.
    """
    text = from_environment("attempts")
    if text is None:
        return None
    if not text.isdecimal() or int(text) not in ATTEMPTS:
        raise ConfigInvalid(
            f"AIOJOBS_REDIS_ATTEMPTS must be a whole number from 1 to {ATTEMPTS[-1]:,}, got "
            f"{text!r:.80}: set it right, or unset it"
        )
    return int(text)


def without_secrets(url: str) -> str:
    """Return a URL with ``***`` for its password, and for each secret among its options."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return "***"
    # The last @ ends it: one in a password that is not encoded must not show the rest.
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    hidden = "***" if colon else ""
    place = _SECRET.sub(r"\g<name>***", place)
    return f"{scheme}://{user}{colon}{hidden}{at}{place}"
