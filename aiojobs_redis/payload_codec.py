"""Codecs that sign or encrypt what a queue keeps of its users, with keys that can be rotated.

A sealed value is the MessagePack array ``[kind, key id, proof, body]``: the proof is a signature
or a nonce, and covers a context beside the body, which says where the value belongs. The key id
names the key that opens it, so several keys are good for reading while one of them writes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from aiojobs_redis.errors import ConfigInvalid, PayloadRejected
from aiojobs_redis.spec import SEALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["EncryptedCodec", "PayloadCodec", "SignedCodec", "netstring"]

SIGNED, ENCRYPTED = SEALS

_KEY_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SECRET_BYTES = 32
_NONCE_BYTES = 12


class _Envelope(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    kind: str
    key: str
    proof: bytes
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Envelope).decode


def netstring(*parts: bytes) -> bytes:
    """Return parts in one text that no other parts have: each as ``length:bytes``."""
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)


@runtime_checkable
class PayloadCodec(Protocol):
    """What a queue seals its payloads with; write one to keep the keys in a service.

    Both methods are called on the event loop, once for each job, result and error, and have to
    be quick. They may be called from several event loops at once.

    An error other than `PayloadRejected` says that they cannot do it now. A worker then hands the
    job back and tries it again a second later; where the attempt had been made already, it is made
    again, or the job is dead with the reason ``abandoned`` if it is delivered at most once. A
    producer is told the error as it is.
    """

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Return the data in a form that only `open` with the same context accepts.

        Args:
            data: What is to be kept, up to a few MiB.
            context: Where it belongs: namespace, queue, job and kind of value.
        """
        ...

    def open(self, data: bytes, context: bytes) -> bytes:
        """Return what was sealed.

        Args:
            data: What was found.
            context: Where it was found.

        Raises:
            PayloadRejected: It was not sealed for this place, or was changed since.
        """
        ...


class _KeyedCodec:
    """The part that signing and encrypting share: key ids, envelopes, what is said of a fault."""

    _kind: str

    def __init__(
        self,
        make: Callable[[str, bytes], Any],
        keys: Mapping[str, bytes],
        *,
        current: str | None,
        accept_plain: bool,
    ) -> None:
        if not isinstance(accept_plain, bool):
            # Named by its type alone: what stands in its place may be a secret.
            raise ConfigInvalid(
                f"accept_plain must be True or False, got a {type(accept_plain).__name__}"
            )
        # The raw secrets are kept nowhere.
        self._made: dict[str, Any] = {
            _check_id(key_id): make(key_id, keys[key_id]) for key_id in keys
        }
        if not self._made:
            raise ConfigInvalid("keys must hold a key at least: {'id': 32 bytes}")
        if current is None and len(self._made) > 1:
            raise ConfigInvalid(
                f"current must name the key that writes, one of {', '.join(self._made)}"
            )
        self._current: str = next(iter(self._made)) if current is None else _check_id(current)
        if self._current not in self._made:
            # As long as a secret it may be one, in hexadecimal digits for example.
            shown = f" {current!r}" if len(self._current) < _SECRET_BYTES else ""
            raise ConfigInvalid(
                f"current names the key{shown}, which is not one of keys: {', '.join(self._made)}"
            )
        self._accept_plain = accept_plain

    def __repr__(self) -> str:
        return f"<{type(self).__name__} keys {', '.join(self._made)}, current {self._current}>"

    def _read(self, data: bytes) -> _Envelope | None:
        """Return the envelope, None for a plain value that is accepted."""
        try:
            envelope = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            envelope = None
        if envelope is None or envelope.kind not in SEALS:
            if self._accept_plain:
                return None
            raise PayloadRejected(f"it is not {self._kind}")
        if envelope.kind != self._kind:
            raise PayloadRejected(f"it is {envelope.kind} where {self._kind} is asked for")
        if envelope.key not in self._made:
            raise PayloadRejected(f"its key {envelope.key[:64]!r} is not among those given here")
        return envelope


class SignedCodec(_KeyedCodec):
    """Signs payloads with HMAC-SHA256, so that a worker runs nothing that others wrote into Redis.

    The signature covers task, arguments, options of the attempt and headers of a job, its id, queue
    and namespace; of results and errors the value and the same place. Anybody with access to
    Redis can still read them.

    Args:
        keys: Secrets by key id, 32 bytes or longer each. All of them open.
        current: Id of the key that signs; needed where there are several.
        accept_plain: Also accept what bears no signature, while signing is introduced. As long as
            it is set, it protects from nothing.

    Raises:
        ConfigInvalid: A key id, a secret or a flag is not acceptable; no secret is ever shown.

    Example:
        >>> SignedCodec({"2026-11": b"0" * 32})
        <SignedCodec keys 2026-11, current 2026-11>
    """

    _kind = SIGNED

    def __init__(
        self, keys: Mapping[str, bytes], *, current: str | None = None, accept_plain: bool = False
    ) -> None:
        super().__init__(_signing, keys, current=current, accept_plain=accept_plain)

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Return the data with its signature; see `PayloadCodec.seal`."""
        key = self._current
        return _encode((SIGNED, key, self._signature(key, data, context), data))

    def open(self, data: bytes, context: bytes) -> bytes:
        """Return the data if its signature is right; see `PayloadCodec.open`."""
        envelope = self._read(data)
        if envelope is None:
            return data
        right = self._signature(envelope.key, envelope.body, context)
        if not hmac.compare_digest(envelope.proof, right):
            raise PayloadRejected("its signature is wrong: it was changed, or belongs elsewhere")
        return envelope.body

    def _signature(self, key_id: str, data: bytes, context: bytes) -> bytes:
        mac = self._made[key_id].copy()
        mac.update(netstring(SIGNED.encode(), key_id.encode(), context, data))
        signature: bytes = mac.digest()
        return signature


class EncryptedCodec(_KeyedCodec):
    """Encrypts payloads with AES-256-GCM, which protects from changes as `SignedCodec` does.

    Needs ``pip install 'aiojobs-redis[encryption]'``. Arguments, options of the attempt, headers,
    results and the texts of errors are hidden; ids, names of queues and tasks, times, priorities,
    error types and sizes are not.

    Args:
        keys: Secrets by key id, exactly 32 bytes each. All of them open.
        current: Id of the key that encrypts; needed where there are several.
        accept_plain: Also accept what is not encrypted, while encryption is introduced. As long as
            it is set, it does not protect from changes.

    Raises:
        ConfigInvalid: A key id, a secret or a flag is not acceptable, or the package is missing.
    """

    _kind = ENCRYPTED

    def __init__(
        self, keys: Mapping[str, bytes], *, current: str | None = None, accept_plain: bool = False
    ) -> None:
        super().__init__(_encrypting, keys, current=current, accept_plain=accept_plain)

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Return the data encrypted; see `PayloadCodec.seal`."""
        key, nonce = self._current, secrets.token_bytes(_NONCE_BYTES)
        body = self._made[key].encrypt(nonce, data, _bound(key, context))
        return _encode((ENCRYPTED, key, nonce, body))

    def open(self, data: bytes, context: bytes) -> bytes:
        """Return the data decrypted; see `PayloadCodec.open`."""
        envelope = self._read(data)
        if envelope is None:
            return data
        key = envelope.key
        try:
            opened: bytes = self._made[key].decrypt(
                envelope.proof, envelope.body, _bound(key, context)
            )
        except Exception as error:  # InvalidTag, or a nonce of a wrong length
            raise PayloadRejected(
                "it cannot be decrypted: it was changed, or belongs elsewhere"
            ) from error
        return opened


def _signing(key_id: str, secret: bytes) -> hmac.HMAC:
    if not isinstance(secret, bytes) or len(secret) < _SECRET_BYTES:
        raise _unfit(key_id, secret, f"{_SECRET_BYTES} bytes or more")
    return hmac.new(secret, digestmod=hashlib.sha256)


def _encrypting(key_id: str, secret: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigInvalid(
            "encryption needs the package cryptography: pip install 'aiojobs-redis[encryption]'"
        ) from error
    if not isinstance(secret, bytes) or len(secret) != _SECRET_BYTES:
        raise _unfit(key_id, secret, f"exactly {_SECRET_BYTES} bytes")
    return AESGCM(secret)


def _bound(key_id: str, context: bytes) -> bytes:
    return netstring(ENCRYPTED.encode(), key_id.encode(), context)


def _check_id(key_id: str) -> str:
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        # What stands there may be a secret that was put in the wrong place.
        raise ConfigInvalid("a key id must be 1 to 64 characters of A-Z a-z 0-9 _ . : -")
    return key_id


def _unfit(key_id: str, secret: object, wanted: str) -> ConfigInvalid:
    size = f"{len(secret)} bytes" if isinstance(secret, bytes) else f"a {type(secret).__name__}"
    return ConfigInvalid(
        f"the secret of key {key_id!r} must be {wanted}, got {size}: "
        "make one with secrets.token_bytes(32)"
    )
