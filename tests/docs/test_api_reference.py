"""The page of the public names is that of the code."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.docs.api_reference import MODULES, PAGE, render
from tests.docs.pages import DOCS
from tests.quality.test_exports import public_modules

_OPTIONAL_TASK_AND_KEY = "task: str | None = None, key: str | None = None"


@pytest.mark.requirement("B40")
def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m tests.docs.api_reference"


def test_every_public_name_is_on_the_page() -> None:
    assert set(MODULES) == {m for m in public_modules() if hasattr(import_module(m), "__all__")}
    page = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", page, re.M)
    names = [name for module in MODULES for name in import_module(module).__all__]

    assert sorted(headings) == sorted(names)


@pytest.mark.parametrize(
    "line",
    [
        "class Fixed(seconds: float, jitter: float = 0.0)",
        f"class Backlog(*, {_OPTIONAL_TASK_AND_KEY}, holding: int, blocked: int)",
        "class Linear(step: float = 1.0, cap: float = 300.0, jitter: float = 0.3)",
        "Retry(delay: float | timedelta | None = None, reason: str = '')",
        "Snooze(delay: float | timedelta)",
        "Cancel(reason: str = '')",
        "Fail(reason: str = '')",
        "Throttle(delay: float | timedelta, scope: Literal['queue', 'task', 'key'] = 'queue')",
    ],
)
def test_what_users_make_stands_with_its_parameters_and_defaults(line: str) -> None:
    assert line in PAGE.read_text(encoding="utf-8").replace('"', "'").splitlines()


@pytest.mark.requirement("B40")
def test_naming_schemas_runbooks_scaling_and_the_api_have_a_page_that_the_index_leads_to() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")

    for page in ("naming.md", "redis.md", "runbooks.md", "scaling.md", "api.md"):
        assert (DOCS / page).exists(), page
        assert f"({page})" in index, page
