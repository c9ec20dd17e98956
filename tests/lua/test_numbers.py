"""Scores and times stay whole numbers, also on a server that shows them with an exponent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.scripts import Scripts
from tests.support.servers import ServerProcess, find_servers

pytestmark = pytest.mark.behaviour("F34")

BAND = 2**42


@pytest.fixture(scope="session")
def redis8_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(find_servers()["redis8"], tmp_path_factory.mktemp("redis8"))
    server.start()
    yield server
    server.remove()


@pytest.fixture(
    params=[*(name for name in ("valkey", "redis", "redis8") if name in find_servers()), "memory"]
)
def server_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://tests"
    server: ServerProcess = request.getfixturevalue(f"{request.param}_server")
    return server.url


@pytest.mark.parametrize("sequence", [1, 10**12, 4 * 10**12, BAND - 2])
@pytest.mark.parametrize("priority", [1023, 0, -1, -1024])
async def test_a_place_survives_claim_and_release_to_the_last_digit(
    scripts: Scripts, priority: int, sequence: int
) -> None:
    await scripts.enqueue("first")
    await scripts.meta(sequence=sequence - 1)
    await scripts.enqueue("a", options=f",p{priority}")
    wanted = (1023 - priority) * BAND + sequence
    (before,) = [await scripts.raw.zscore(scripts.key("ready"), "a")]
    claims = {claim.id: claim for claim in await scripts.claim()}
    place = (await scripts.record("a"))[3]
    await scripts.exchange(scripts.ended(claims[b"a"], "r"))

    assert int(before) == wanted
    assert place == str(wanted)
    assert int(await scripts.raw.zscore(scripts.key("ready"), "a")) == wanted


async def test_the_sequence_stops_at_the_end_of_its_band(scripts: Scripts) -> None:
    await scripts.enqueue("low")
    await scripts.meta(sequence=BAND - 3)
    await scripts.enqueue(*"abcdef")
    await scripts.enqueue("g", options=",p-1")

    scores = dict(await scripts.raw.zrange(scripts.key("ready"), 0, -1, withscores=True))
    assert {int(scores[job.encode()]) // BAND for job in "abcdef"} == {1023}
    assert await scripts.raw.zrange(scripts.key("ready"), -1, -1) == [b"g"]


@pytest.mark.parametrize("at", [1_800_000_000_000, 2_000_000_000_000, 1_999_999_999_999])
async def test_round_times_come_back_as_they_were_given(scripts: Scripts, at: int) -> None:
    await scripts.enqueue("a", options=f",w{at}")
    await scripts.run("schedule", "s", "ab", "", at, at, 0, "x")
    beat = await scripts.beat()
    reply = await scripts.exchange()
    _, later, _, _, tick = await scripts.run("read_schedules", "named", "s")
    (row,) = await scripts.run("inspect", "a")

    assert (beat.due_at, beat.tick_at) == (at, at)
    assert (reply.due_at, reply.tick_at) == (at, at)
    assert later == at
    assert int(float(tick)) == int(float(row[4])) == at
    fired = ("s", "ab", at, at + 1, at, 0, 0, "", "work", "j", "1", "x")
    assert await scripts.run("fire", *fired) == b"1"


# The arrival sequence is set back, behind the place of the first job.
@pytest.mark.corrupts
async def test_a_suspect_of_a_round_score_keeps_it(scripts: Scripts) -> None:
    await scripts.enqueue("first")
    await scripts.meta(sequence=10**12 - 1)
    await scripts.enqueue("a", options=",p1023")
    for _ in range(2):
        await scripts.claim(1)
        await scripts.expire_lease("a")
        await scripts.exchange()
    score = await scripts.raw.zscore(scripts.key("suspects"), "a")
    await scripts.claim(1)

    assert int(score) == 10**12
    assert (await scripts.record("a"))[3] == str(10**12)


async def test_the_clock_of_a_record_has_all_its_digits(scripts: Scripts) -> None:
    now = await scripts.now()
    await scripts.enqueue("a")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c"))
    record = await scripts.record("a")

    assert [0 <= int(record[at]) - now < 10_000 for at in (8, 9)] == [True, True]
    assert claim.fence > now * 1000
