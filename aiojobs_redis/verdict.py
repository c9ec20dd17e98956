"""What becomes of a job by what its attempt raised; the same wherever the attempt ran.

Snooze ─────────────────────────────────────▶ scheduled, not charged
Throttle ───────────────────────────────────▶ its old place, not charged, and others wait too
WaitFor ────────────────────────────────────▶ blocked until other jobs have ended, not charged
Cancel ─────────────────────────────────────▶ cancelled
Fail, a result that cannot be encoded ──────▶ dead
Retry, any other error ─── attempts left ───▶ retrying
└─ none left, fail_on, no back-off ─▶ dead
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis._redis.sealed_errors import seal_line
from aiojobs_redis.codec import CallCodec, ResultNotEncodable, encode_untyped_result
from aiojobs_redis.handle import TOO_LARGE
from aiojobs_redis.outcome import Cancel, Fail, Retry, Snooze, Throttle, WaitFor
from aiojobs_redis.printing import message_of, printed
from aiojobs_redis.waits import encode_jobs

if TYPE_CHECKING:
    from aiojobs_redis.context import JobContext
    from aiojobs_redis.policy import Policy
    from aiojobs_redis.sealing import Sealing

__all__ = ["LARGEST_RESULT", "Verdict", "describe", "encoded_result", "judge", "sealed_body"]

_NONE = b"\xc0"
LARGEST_RESULT = 1024 * 1024

_OWN_FRAMES = str(Path(__file__).parent / "worker")


class Verdict(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How an attempt ended, in plain values: it may come from another process.

    Attributes:
        code: ``c`` completed, ``t`` try again, ``d`` dead, ``z`` snoozed, ``x`` cancelled,
            ``l`` limited for a while, ``w`` waiting for jobs.
        argument: Delay in ms; empty where there is none.
        body: The encoded result, the error as recorded, or the jobs.
        kind: Type of the error, for the log.
    """

    code: str
    argument: str = ""
    body: bytes = b""
    kind: str = ""


def encoded_result(codec: CallCodec | None, value: Any) -> bytes:
    """Return a result as stored; one over the limit leaves its size and nothing else.

    Args:
        codec: That of the task; None where its code is not at hand.
        value: The result.

    Raises:
        ResultNotEncodable: It has no MessagePack form, or is not what the task declares.
    """
    data = encode_untyped_result(value) if codec is None else codec.encode_result(value)
    if value is None:
        # A job without a stored result returned None.
        return b""
    return data if len(data) <= LARGEST_RESULT else TOO_LARGE + str(len(data)).encode()


def sealed_body(sealing: Sealing, key: bytes, code: str, body: bytes) -> bytes:
    """Return what an attempt left, sealed for its job.

    Args:
        sealing: Seals it.
        key: Id of the job, in UTF-8.
        code: How the attempt ended.
        body: What it left.
    """
    match code:
        case "c":
            # None is sealed too, or a result could be taken away unseen.
            return sealing.seal("result", key, body or _NONE)
        case "t" | "d" | "x" if body:
            return seal_line(body, sealing, key)
        case _:
            return body


async def judge(error: BaseException, job: JobContext, policy: Policy) -> Verdict:
    """Return what becomes of a job whose attempt raised this.

    Args:
        error: What it raised.
        job: The job.
        policy: How often it is tried, and when again.
    """
    match error:
        case Snooze():
            return Verdict("z", str(error.delay_ms))
        case Throttle():
            scope = {"queue": "q", "task": f"t{job.task}", "key": "k"}[error.scope]
            return Verdict("l", str(error.delay_ms), scope.encode())
        case WaitFor():
            return Verdict("w", "", encode_jobs(error.jobs))
        case Cancel():
            return Verdict("x", "", error_line("Cancelled", message_of(error), "", job.attempt))
        case Fail() | ResultNotEncodable():
            return _dead(error, job)
        case Retry():
            again, delay_ms = job.attempt < policy.attempts, error.delay_ms
        case _:
            again, delay_ms = not policy.gives_up(error, job.attempt), None
    if again and delay_ms is None:
        seconds = await policy.delay(error, job.attempt, job)
        again, delay_ms = seconds is not None, round((seconds or 0) * 1000)
    if not again:
        return _dead(error, job)
    return Verdict("t", str(delay_ms), describe(error, job.attempt), type(error).__name__)


def _dead(error: BaseException, job: JobContext) -> Verdict:
    return Verdict("d", "", describe(error, job.attempt), type(error).__name__)


def describe(error: BaseException, attempt: int) -> bytes:
    """Return an error as recorded, without the frames of the worker above the task's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_FRAMES):
        trace = trace.tb_next
    return error_line(type(error).__name__, message_of(error), printed(error, trace), attempt)
