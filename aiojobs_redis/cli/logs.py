"""How a worker process logs: lines for people, or one JSON object a line for collectors."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = ["JsonFormatter", "configure_logging"]

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
            return msgspec.json.encode(fields, enc_hook=repr).decode()
        except Exception:
            # A record that is hard to write is not to be lost: text that is no Unicode is escaped,
            # and the fields of others are shown as Python shows them.
            shown = {name: v if isinstance(v, str) else repr(v) for name, v in fields.items()}
            return json.dumps(shown | {"time": fields["time"].isoformat()})


def configure_logging(level: str, style: str) -> None:
    """Send all logs of the process to stderr.

    Args:
        level: Name of the lowest level to log.
        style: ``pretty`` or ``json``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if style == "json"
        else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
