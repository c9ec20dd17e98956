"""The pages on the command line say what the commands say."""

from __future__ import annotations

from tests.docs import cli_reference
from tests.docs.pages import DOCS


def test_the_page_of_every_command_is_current() -> None:
    current = cli_reference.PAGE.read_text(encoding="utf-8") == cli_reference.render()

    assert current, "docs/cli-reference.md is old: run python -m tests.docs.cli_reference"


def test_the_page_on_the_command_line_has_the_exit_codes_and_the_settings() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")

    assert cli_reference.exit_codes() in page
    assert cli_reference.settings() in page


def test_the_page_on_the_command_line_shows_each_command() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    missing = [
        path
        for path in map(" ".join, (path for path, _ in cli_reference.commands()))
        if f"aiojobs-redis {path}" not in page
    ]

    assert missing == []
