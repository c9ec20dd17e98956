"""A worker inside an asyncio application: a small HTTP server answers and works in one process.

Prints at the end: GET /?name=ada -> 202 accepted, then: Hello, ada
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import Job, Queue, Worker

queue = Queue(
    "greetings",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
accepted: list[Job[str]] = []


@queue.task
async def greet(name: str) -> str:
    return f"Hello, {name}"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = (await reader.readline()).decode()
    name = request.split()[1].partition("name=")[2]
    accepted.append(await greet.enqueue(name))  # at once; the work is done by the worker
    writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def ask(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    status = (await reader.readline()).decode().partition(" ")[2]
    writer.close()
    return status.strip().lower()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # The worker ends before the queue is closed; it takes no signal handlers of the application.
    async with queue, Worker(queue, concurrency=20, grace=5), server:
        status = await ask(port, "/?name=ada")
        result = await accepted[0].result(timeout=10)
    print(f"GET /?name=ada -> {status}, then: {result}")


asyncio.run(main())
