"""The page of the public names is that of the code."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.docs.api_reference import MODULES, PAGE, render
from tests.docs.pages import DOCS
from tests.quality.test_exports import public_modules


@pytest.mark.requirement("B40")
def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m tests.docs.api_reference"


def test_every_public_name_is_on_the_page() -> None:
    assert set(MODULES) == {m for m in public_modules() if hasattr(import_module(m), "__all__")}
    page = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", page, re.M)
    names = [name for module in MODULES for name in import_module(module).__all__]

    assert sorted(headings) == sorted(names)


@pytest.mark.requirement("B40")
def test_naming_schemas_runbooks_scaling_and_the_api_have_a_page_that_the_index_leads_to() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")

    for page in ("naming.md", "redis.md", "runbooks.md", "scaling.md", "api.md"):
        assert (DOCS / page).exists(), page
        assert f"({page})" in index, page
