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


class Heard(Speaking):
    """What is said, with the events in it as they are handed on."""

    def __init__(self, sent: list[Any]) -> None:
        super().__init__("job", 1, sent.append)
        self.sent = sent

    def _send_emitted(self, *, last: bool = False) -> None:
        if self._outbox:
            self.sent.append((last, self._outbox.take()))


def test_what_was_said_goes_before_the_end_and_nothing_after_it() -> None:
    sent: list[Any] = []
    speaking = Heard(sent)
    _ = speaking.log("before")
    # Still gathering, it sends once more.
    [sender] = senders()
    speaking.end()
    assert [len(said.lines) for said in sent] == [1]

    with pytest.raises(LeaseLost, match="Nothing was written"):
        _ = speaking.log("after")
    with pytest.raises(LeaseLost, match="Nothing was written"):
        _ = speaking.progress(1, None, None)
    with pytest.raises(LeaseLost, match="Nothing was written"):
        _ = speaking.emit("after", None)
    sender.join(10)
    assert not sender.is_alive()
    assert len(sent) == 1
