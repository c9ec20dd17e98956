"""Releases of servers that `doctor` warns of."""

from __future__ import annotations

import pytest

from aiojobs_redis.cli.server_flaws import flaws_of

pytestmark = pytest.mark.requirement("S24")


@pytest.mark.parametrize(
    ("name", "version", "named"),
    [
        ("Redis", "7.0.15", ["the branch 7.0 gets no fixes any more"]),
        ("Redis", "7.2.10", ["CVE-2025-49844", "CVE-2026-81934"]),
        ("Redis", "7.2.16", []),
        ("Redis", "7.4.8", ["CVE-2026-23479", "CVE-2026-81934"]),
        ("Redis", "8.0.9", ["the branch 8.0 gets no fixes any more"]),
        ("Redis", "8.2.1", ["CVE-2025-49844", "CVE-2026-23479", "CVE-2026-81934"]),
        ("Redis", "8.2.9", []),
        ("Redis", "8.6.2", ["CVE-2026-23479", "CVE-2026-81934"]),
        ("Redis", "8.6.3", ["CVE-2026-81934"]),
        ("Redis", "8.10.0", ["CVE-2026-81934"]),
        ("Redis", "8.10.1", []),
        ("Valkey", "7.2.10", ["CVE-2025-49844"]),
        ("Valkey", "8.1.3", ["CVE-2025-49844", "CVE-2026-56684"]),
        ("Valkey", "9.0.3", ["CVE-2026-23479", "CVE-2026-56684"]),
        ("Valkey", "9.1.0", ["CVE-2026-56684", "GHSA-fq2f-crmw-q97r"]),
        ("Valkey", "9.1.2", []),
        ("Redis", "12.0.0", []),
        ("Redis", "", []),
        ("Valkey", "unstable", []),
    ],
)
def test_a_release_with_known_holes_is_named(name: str, version: str, named: list[str]) -> None:
    assert [text.split(":")[0] for text in flaws_of(name, version)] == named
