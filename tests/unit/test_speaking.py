"""What a job in a process says after its end is not taken for what the next one says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aiojobs_redis import LeaseLost
from aiojobs_redis.worker.speaking import Speaking

SENDER = "aiojobs-said"


def senders() -> Iterator[threading.Thread]:
    """Return the threads that send what was said."""
    return (thread for thread in threading.enumerate() if thread.name == SENDER)


def test_what_was_said_goes_before_the_end_and_nothing_after_it() -> None:
    sent: list[Any] = []
    speaking = Speaking(1, sent.append)
    _ = speaking.log("before")
    # Still gathering, it sends once more.
    [sender] = senders()
    speaking.end()
    assert [len(said.lines) for said in sent] == [1]

    with pytest.raises(LeaseLost, match="Nothing was written"):
        _ = speaking.log("after")
    with pytest.raises(LeaseLost, match="Nothing was written"):
        _ = speaking.progress(1, None, None)
    sender.join(10)
    assert not sender.is_alive()
    assert len(sent) == 1
