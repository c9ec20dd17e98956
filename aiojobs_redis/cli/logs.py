"""How a worker process logs: lines for people, or one JSON object a line for collectors."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from aiojobs_redis.cli.texts import json_without_controls, printable

__all__ = ["JsonFormatter", "PrettyFormatter", "configure_logging"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON: time, level, logger, message, exception, and its extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        for name, value in vars(record).items():
            if name not in _STANDARD:
                fields.setdefault(name, value)
        try:
            return json_without_controls(msgspec.json.encode(fields, enc_hook=repr).decode())
        except Exception:
            # A record that is hard to write is not to be lost: text that is no Unicode is escaped,
            # and the fields of others are shown as Python shows them.
            shown = {name: v if isinstance(v, str) else repr(v) for name, v in fields.items()}
            return json.dumps(shown | {"time": fields["time"].isoformat()})


class PrettyFormatter(logging.Formatter):
    """Writes a record for people: time, level, message, and its traceback below.

    What a message quotes is of others, as the id of a job: no control character of it reaches a
    terminal, and no line but the first of a record begins where a record begins.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        message = record.getMessage()
        # Line ends of the template are meant, as before a stack; others came with a value.
        parts = [message if "\n" in str(record.msg) else printable(message)]
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        text = printable("\n".join(parts), keep="\n\t").replace("\n", "\n    ")
        return f"{self.formatTime(record)} {record.levelname:7} {text}"


def configure_logging(level: str, style: str) -> None:
    """Send all logs of the process to stderr.

    Args:
        level: Name of the lowest level to log.
        style: ``pretty`` or ``json``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else PrettyFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
