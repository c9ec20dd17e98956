"""Releases of Redis and Valkey that are known to be bad for a queue.

A distribution may have mended a release without another number, so that a match is a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiojobs_redis._redis.probe import ServerInfo

__all__ = ["ADVISORIES", "Advisory", "advisories_for"]

_NEVER: Final = 1_000_000


class Advisory(NamedTuple):
    """What is wrong with some releases.

    Attributes:
        name: Its number.
        valkey: Whether it is of Valkey.
        text: What can happen.
        sound: Of each branch that is concerned the first patch release known to be sound.
    """

    name: str
    valkey: bool
    text: str
    sound: Mapping[tuple[int, int], int]


ADVISORIES: Final = (
    # Redis 7.0 gets no releases any more (the policy is the last two minor branches and 6.2):
    # https://github.com/redis/redis/blob/unstable/SECURITY.md
    Advisory("end of life", False, "7.0 gets no more fixes from Redis", {(7, 0): _NEVER}),
    # https://redis.io/blog/security-advisory-cve-2025-49844/ and GHSA-4789-qfc9-5f9q
    Advisory(
        "CVE-2025-49844",
        False,
        "a Lua script can run code on the server",
        {(7, 0): _NEVER, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    ),
    # https://github.com/valkey-io/valkey/releases/tag/8.1.4
    Advisory(
        "CVE-2025-49844",
        True,
        "a Lua script can run code on the server",
        {(7, 2): 11, (8, 0): 6, (8, 1): 4},
    ),
    # Redis 7.2.0 to 8.6.2: https://nvd.nist.gov/vuln/detail/CVE-2026-23479. Mended in 7.4.9, 8.2.6,
    # 8.4.3 and 8.6.3 (release notes); of the other branches those that are older than the find.
    Advisory(
        "CVE-2026-23479",
        False,
        "use after free when a blocked client is woken, as idle workers are",
        {(7, 2): 12, (7, 4): 9, (8, 0): 5, (8, 2): 6, (8, 4): 3, (8, 6): 3},
    ),
    # https://github.com/valkey-io/valkey/pull/3631, 3633, 3634; 8.0.8 was revoked
    Advisory(
        "CVE-2026-23479",
        True,
        "use after free when a blocked client is woken, as idle workers are",
        {(7, 2): 13, (8, 0): 9, (8, 1): 7, (9, 0): 4},
    ),
    # https://github.com/valkey-io/valkey/releases/tag/9.1.1, 9.0.5, 8.1.9 and 8.0.10
    Advisory(
        "CVE-2026-56684",
        True,
        "use after free in TLS connections",
        {(8, 0): 10, (8, 1): 9, (9, 0): 5, (9, 1): 1},
    ),
    # CVE record; VA-26-239-01 of CISA
    Advisory(
        "CVE-2026-81934",
        False,
        "TLS lets clients without a password run code on the server",
        {(7, 2): 16, (7, 4): 11, (8, 2): 9, (8, 4): 6, (8, 6): 6, (8, 8): 2, (8, 10): 1},
    ),
    # https://github.com/valkey-io/valkey/releases/tag/9.1.2
    Advisory(
        "GHSA-fq2f-crmw-q97r",
        True,
        "clients without a password can use a freed script interpreter",
        {(9, 1): 2},
    ),
)


def advisories_for(info: ServerInfo) -> list[Advisory]:
    """Return what is known against a server's release."""
    branch, patch = info.numbers[:2], info.numbers[2:3]
    if len(branch) < 2 or not patch:
        return []
    return [
        advisory
        for advisory in ADVISORIES
        if advisory.valkey == info.is_valkey
        and patch[0] < advisory.sound.get((branch[0], branch[1]), 0)
    ]
