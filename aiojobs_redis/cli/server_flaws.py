"""Releases of Redis and Valkey with known holes that anybody with a connection can use.

Each advisory names, for each branch that got a fix, the first release that has it. Of a branch
that is in no list nothing is known. Reviewed against the projects' release notes and the CVE
records up to September 2026.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["flaws_of"]

Version = tuple[int, ...]


class _Flaw(NamedTuple):
    name: str
    what: str
    fixed: dict[str, tuple[Version, ...]]


_FLAWS = (
    _Flaw(
        "CVE-2025-49844",
        "a Lua script runs code on the server",
        {
            "Redis": ((7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
            "Valkey": ((7, 2, 11), (8, 0, 6), (8, 1, 4)),
        },
    ),
    _Flaw(
        "CVE-2026-23479",
        "a blocked client runs code on the server",
        {
            "Redis": ((7, 4, 9), (8, 2, 6), (8, 4, 3), (8, 6, 3)),
            "Valkey": ((9, 0, 4),),
        },
    ),
    _Flaw(
        "CVE-2026-56684",
        "CLIENT KILL over TLS runs code on the server",
        {"Valkey": ((8, 1, 9), (9, 0, 5), (9, 1, 1))},
    ),
    _Flaw(
        "CVE-2026-81934",
        "TLS lets clients without a password run code on the server",
        {
            "Redis": (
                *((7, 2, 16), (7, 4, 11), (8, 2, 9)),
                *((8, 4, 6), (8, 6, 6), (8, 8, 2), (8, 10, 1)),
            )
        },
    ),
    _Flaw(
        "GHSA-fq2f-crmw-q97r",
        "clients without a password crash the script interpreter",
        {"Valkey": ((9, 1, 2),)},
    ),
)
_ENDED: dict[str, set[Version]] = {"Redis": {(7, 0), (8, 0)}, "Valkey": set()}


def flaws_of(name: str, version: str) -> list[str]:
    """Return what is known against a release, for people; empty for nothing.

    Args:
        name: ``Redis`` or ``Valkey``.
        version: Its version, as INFO tells it.
    """
    numbers: Version = tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())
    if len(numbers) < 3:
        return []
    branch = numbers[:2]
    if branch in _ENDED[name]:
        return [f"the branch {branch[0]}.{branch[1]} gets no fixes any more"]
    return [
        f"{flaw.name}: {flaw.what}, mended in {'.'.join(map(str, fixed))}"
        for flaw in _FLAWS
        for fixed in flaw.fixed.get(name, ())
        if fixed[:2] == branch and numbers < fixed
    ]
