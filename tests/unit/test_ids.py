"""Ids differ, within a process, between threads and across a fork, and sort by their time."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aiojobs_redis.ids import new_id


def test_ids_of_a_process_differ_and_sort_by_their_milliseconds() -> None:
    ids = [new_id() for _ in range(50_000)]

    assert len(set(ids)) == len(ids)
    assert {len(one) for one in ids} == {26}
    assert [one[:10] for one in ids] == sorted(one[:10] for one in ids)


def test_ids_of_several_threads_differ() -> None:
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: [new_id() for _ in range(5_000)], range(8)))

    assert len({one for part in parts for one in part}) == 40_000


def test_the_time_of_an_id_is_that_of_its_making() -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    before = time.time_ns() // 1_000_000
    ms = 0
    for character in new_id()[:10]:
        ms = 32 * ms + alphabet.index(character)

    assert before <= ms <= time.time_ns() // 1_000_000


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_other_ids() -> None:
    mine = new_id()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    os.close(write)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.waitpid(child, 0)

    assert mine[10:20] != theirs[10:20]
