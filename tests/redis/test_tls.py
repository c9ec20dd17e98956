"""TLS against real servers: what cannot be verified is refused, unless that is asked for."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import trustme

from aiojobs_redis import AiojobsError, Queue, QueueUnavailable, Worker
from aiojobs_redis._redis.connection import Server
from tests.support.acl import as_admin, grant
from tests.support.servers import ServerProcess, find_servers, free_port

pytestmark = pytest.mark.requirement("S9")

# The servers of the wheels are built without TLS.
KINDS = [kind for kind in ("redis",) if kind in find_servers()]


class Authority:
    """A certificate authority, and files of what it issues."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = trustme.CA()
        self.file = folder / "ca.pem"
        self._own.cert_pem.write_to_path(self.file)

    def issue(self, name: str, *hosts: str, expired: bool = False) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        now = datetime.now(UTC)
        made = self._own.issue_cert(
            *hosts,
            common_name=None if hosts else name,
            not_before=now - timedelta(days=30),
            not_after=now + timedelta(days=-1 if expired else 1),
        )
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        for blob in made.cert_chain_pems[:1]:
            blob.write_to_path(files[0])
        made.private_key_pem.write_to_path(files[1])
        return files


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that clients trust."""
    return Authority(tmp_path_factory.mktemp("ca"))


class TlsServer:
    """A server that speaks TLS on a port of 127.0.0.1."""

    def __init__(
        self, kind: str, folder: Path, trusted: Path, files: tuple[Path, Path], clients: str
    ) -> None:
        self.port = free_port()
        self._process = ServerProcess(
            find_servers()[kind],
            folder,
            *("--tls-port", str(self.port), "--tls-cert-file", str(files[0])),
            *("--tls-key-file", str(files[1]), "--tls-ca-cert-file", str(trusted)),
            *("--tls-auth-clients", clients),
        )
        self._process.start()

    def url(self, host: str = "127.0.0.1", **options: object) -> str:
        """Return a URL with connection options."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"rediss://{host}:{self.port}/0?{query}"

    def remove(self) -> None:
        """Stop it."""
        self._process.remove()


@pytest.fixture(params=KINDS)
def serve(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Iterator[Any]:
    """What starts a server with a certificate; it is stopped when the test ends."""
    started: list[TlsServer] = []

    def start(files: tuple[Path, Path], clients: str = "no") -> TlsServer:
        folder = tmp_path / f"server{len(started)}"
        started.append(TlsServer(request.param, folder, authority.file, files, clients))
        return started[-1]

    yield start
    for server in started:
        server.remove()


async def way(url: str) -> None:
    """Let a job go its whole way, results, heartbeats and blocking calls included."""
    async with Queue("tls", url, namespace="test") as queue:

        @queue.task(lease=1.0)
        async def work(number: int) -> int:
            await asyncio.sleep(1.1)
            return number * 2

        async with Worker(queue):
            assert await (await work.enqueue(21)).result(10) == 42
        [worker] = [link for link in (queue.store.server.sync_link(5.0),) if link is not None]
        assert worker.call("PING") == b"PONG"
        worker.close()
        await queue.destroy()


async def refusal(url: str) -> str:
    """Return why each way to a server is refused: over a link of the loop, and of a thread."""
    server = Server.from_url(url)
    link, sync = server.link(2.0), server.sync_link(2.0)
    assert sync is not None
    with pytest.raises(redis.exceptions.ConnectionError) as caught:
        await link.call("PING")
    with pytest.raises(redis.exceptions.ConnectionError) as blocking:
        await asyncio.to_thread(sync.call, "PING")
    await link.close()
    sync.close()
    return f"{caught.value} / {blocking.value}"


async def test_a_verified_server_serves_a_job_its_whole_way(
    serve: Any, authority: Authority
) -> None:
    server = serve(authority.issue("good", "127.0.0.1", "localhost"))
    await way(server.url(ssl_ca_certs=authority.file))
    await way(server.url("localhost", ssl_ca_certs=authority.file))


@pytest.mark.requirement("B34")
async def test_a_user_with_the_least_rights_works_over_tls_with_few_connections(
    serve: Any, authority: Authority
) -> None:
    server = serve(authority.issue("good", "127.0.0.1"))
    url = grant(server.url(ssl_ca_certs=authority.file), "worker")
    async with Queue("tls", url, namespace="test") as queue:

        @queue.task
        async def work(number: int) -> int:
            return number

        async with Worker(queue, concurrency=100):
            jobs = await queue.enqueue_many([work.bind(number) for number in range(300)])
            assert await asyncio.gather(*(job.result(20) for job in jobs)) == list(range(300))
            with redis.Redis.from_url(as_admin(url)) as admin:
                users = [client["user"] for client in admin.client_list()]
    # As docs/redis.md has it: shared ones, one for results, and those of the worker.
    assert users.count("worker") <= 8 + 1 + 5 + 3


async def test_a_certificate_that_cannot_be_verified_is_refused(
    serve: Any, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    trusting = {"ssl_ca_certs": authority.file}
    good = serve(authority.issue("good2", "127.0.0.1", "localhost"))
    cases = [
        (serve(stranger.issue("selfsigned", "127.0.0.1")).url(**trusting), "verify failed"),
        (serve(authority.issue("expired", "127.0.0.1", expired=True)).url(**trusting), "expired"),
        (serve(authority.issue("other", "other.example")).url(**trusting), "IP address mismatch"),
        (serve(authority.issue("other2", "other.example")).url("localhost", **trusting), "ostname"),
        # Without an authority of its own a client trusts those of the system.
        (good.url(), "verify failed"),
    ]
    for url, reason in cases:
        told = await refusal(url)
        assert told.count("verify failed") == 2, told
        assert reason in told
    queue = Queue("tls", cases[0][0], namespace="test")
    with pytest.raises(QueueUnavailable, match="certificate verify failed"):
        await queue.connect()
    await queue.close()


async def test_an_unverified_server_is_used_only_where_the_url_says_so(
    serve: Any, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    server = serve(Authority(tmp_path / "other").issue("selfsigned", "elsewhere.example"))
    await way(server.url(ssl_cert_reqs="none", ssl_check_hostname="false"))
    assert "verify failed" in await refusal(server.url(ssl_check_hostname="false"))


async def test_a_name_is_checked_even_where_only_the_authority_is_trusted(
    serve: Any, authority: Authority
) -> None:
    server = serve(authority.issue("named", "elsewhere.example"))
    assert "mismatch" in await refusal(server.url(ssl_ca_certs=authority.file))
    await way(server.url(ssl_ca_certs=authority.file, ssl_check_hostname="false"))


async def test_both_sides_can_show_certificates(serve: Any, authority: Authority) -> None:
    server = serve(authority.issue("mutual", "127.0.0.1"), clients="yes")
    cert, key = authority.issue("client")
    await way(server.url(ssl_ca_certs=authority.file, ssl_certfile=cert, ssl_keyfile=key))
    with pytest.raises((AiojobsError, OSError)):
        async with asyncio.timeout(15):
            await way(server.url(ssl_ca_certs=authority.file))


async def test_a_brought_client_is_verified_by_its_own_settings(
    serve: Any, authority: Authority
) -> None:
    server = serve(authority.issue("brought", "127.0.0.1"))
    for trusted, fine in ((str(authority.file), True), (None, False)):
        client: Any = redis.asyncio.Redis(
            host="127.0.0.1", port=server.port, ssl=True, ssl_ca_certs=trusted
        )
        queue = Queue("tls", client=client, namespace="test")
        if fine:
            await queue.connect()
        else:
            with pytest.raises(QueueUnavailable, match="certificate verify failed"):
                await queue.connect()
        await queue.close()
        await client.aclose()


def test_a_server_of_tls_answers_nothing_in_the_clear(serve: Any, authority: Authority) -> None:
    server = serve(authority.issue("clear", "127.0.0.1"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(b"PING\r\n")
        try:
            answer = plain.recv(64)
        except ConnectionResetError:
            answer = b""
    assert b"PONG" not in answer
    context = ssl.create_default_context(cafile=str(authority.file))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw_socket,
        context.wrap_socket(raw_socket, server_hostname="127.0.0.1") as tls,
    ):
        assert tls.version() in {"TLSv1.2", "TLSv1.3"}
