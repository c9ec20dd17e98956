"""A logger whose lines cost nobody more than the line, whatever the application's logging raises.

A filter, a handler or the factory of records that the application has set may fail for a record.
Where a worker logs, jobs would pay for that: the loop that serves them would end.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiojobs_redis.printing import log_error

if TYPE_CHECKING:
    # At run time it takes no types.
    Adapter = logging.LoggerAdapter[logging.Logger]
else:
    Adapter = logging.LoggerAdapter

__all__ = ["GuardedLog"]


class GuardedLog(Adapter):
    """Logs, and raises nothing that the application's logging does.

    Args:
        name: Name of the logger.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), None)

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log one line; where that fails, the reason in its place."""
        # The line is that of the caller, not this one.
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        try:
            super().log(level, msg, *args, **kwargs)
        except (Exception, asyncio.CancelledError) as error:
            log_error(self.logger, error, "a line of the log cannot be written")
