"""The texts of errors that have no text, and of questions asked outside a task."""

from __future__ import annotations

import pytest

from aiojobs_redis import AttemptFailed, JobFailed, current_job, current_jobs


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", "job j is dead: KeyboardInterrupt. See "),
        ("no", "job j is dead: KeyboardInterrupt: no. See "),
        ("no.", "job j is dead: KeyboardInterrupt: no. See "),
    ],
)
def test_a_dead_job_is_told_in_whole_sentences(message: str, text: str) -> None:
    assert str(JobFailed("j", "KeyboardInterrupt", message)).startswith(text)


def test_an_error_without_a_text_is_its_type() -> None:
    assert str(AttemptFailed("KeyError", "")) == "KeyError"
    assert str(AttemptFailed("KeyError", "'x'")) == "KeyError: 'x'"


def test_the_current_jobs_are_asked_for_by_their_own_name() -> None:
    with pytest.raises(RuntimeError, match=r"^current_jobs\(\) has no job: .* asked for\.$"):
        current_jobs()
    with pytest.raises(RuntimeError, match=r"^current_job\(\) has no job: .*current_jobs\(\)\.$"):
        current_job()
