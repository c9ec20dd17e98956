"""The users of docs/redis.md on a server of the tests, so that what is shipped is what runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

__all__ = ["NAMESPACES", "PASSWORD", "as_admin", "as_user", "grant", "rules"]

PASSWORD = "S3CR3T-of-the-tests"
NAMESPACES = ("ajr", "test", "test2", "one", "two")
"""Namespaces that tests use."""

_PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
_USER = re.compile(r"^ACL SETUSER (\w+) on >change-me (.+?[^\\])$", re.M | re.S)


def rules() -> dict[str, list[str]]:
    """Return the documented rules of each user, without the password."""
    text = _PAGE.read_text(encoding="utf-8")
    return {name: lines.replace("\\\n", " ").split() for name, lines in _USER.findall(text)}


def grant(url: str, role: str, namespaces: Sequence[str] = NAMESPACES, name: str = "") -> str:
    """Make a user with the rights of a role and return the URL for it.

    Args:
        url: URL of the server, for its default user.
        role: One of docs/redis.md.
        namespaces: In place of the namespace that the page names.
        name: The user's name, that of the role by default.
    """
    words: list[str] = []
    for rule in rules()[role]:
        if rule[1:] == "ajr:*":
            words += [f"{rule[0]}{namespace}:*" for namespace in namespaces]
        else:
            words.append(rule)
    with redis.Redis.from_url(as_admin(url)) as client:
        user: Any = client
        user.execute_command("ACL", "SETUSER", name or role, "reset", "on", f">{PASSWORD}", *words)
    return as_user(url, name or role)


def as_user(url: str, name: str) -> str:
    """Return a URL with a user's name and password."""
    scheme, _, rest = as_admin(url).partition("://")
    return f"{scheme}://{name}:{PASSWORD}@{rest}"


def as_admin(url: str) -> str:
    """Return a URL without user and password: the default user of the tests may do everything."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
