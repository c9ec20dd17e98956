"""What is typed into the search box: qualifiers such as ``task:send_email``, and words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiojobs_redis.job import JobInfo

__all__ = ["QUALIFIERS", "Wanted", "read_search", "term"]

QUALIFIERS: Final = ("task", "queue", "id", "error", "key")
_LONGEST: Final = 500
_PART = re.compile(r'(?:(?P<name>[a-z]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))')


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs are wanted.

    Attributes:
        task: Name of their task.
        queue: Name of their queue.
        id: Id of the only one.
        error: Type of their last error.
        key: Their key.
        words: Texts that occur in the id, the task, the arguments or the last error.
    """

    task: str | None = None
    queue: str | None = None
    id: str | None = None
    error: str | None = None
    key: str | None = None
    words: tuple[str, ...] = ()

    @property
    def looks_inside(self) -> bool:
        """Whether jobs have to be read to find these."""
        return bool(self.task or self.error or self.key or self.words)

    @property
    def by_task_and_error(self) -> bool:
        """Whether nothing but task and error is asked for, as bulk calls of a queue take them."""
        return not (self.id or self.key or self.words)

    def accepts(self, info: JobInfo) -> bool:
        """Whether a job is one of these; case does not count in words."""
        if self.id is not None and info.id != self.id:
            return False
        last = info.errors[-1] if info.errors else None
        if self.task is not None and info.task != self.task:
            return False
        if self.error is not None and (last is None or last.type != self.error):
            return False
        if self.key is not None and info.key != self.key:
            return False
        if not self.words:
            return True
        parts = [info.id, info.task, info.key or "", repr(info.args), repr(info.kwargs)]
        parts += [last.type, last.message] if last else []
        text = "\n".join(parts).casefold()
        return all(word in text for word in self.words)


def term(name: str, value: str) -> str:
    """Return a qualifier as it is typed; nothing without a value."""
    if not value:
        return ""
    return f'{name}:"{value}"' if any(map(str.isspace, value)) else f"{name}:{value}"


def read_search(text: str) -> Wanted:
    """Return what a search asks for; a qualifier that does not exist is a word."""
    found: dict[str, str] = {}
    words: list[str] = []
    for part in _PART.finditer(text[:_LONGEST]):
        value = part["quoted"] if part["quoted"] is not None else part["plain"]
        name = part["name"]
        if name in QUALIFIERS and value:
            found[name] = value
        elif part[0].strip('"'):
            words.append((part[0] if name else value).casefold())
    return Wanted(**found, words=tuple(words))
