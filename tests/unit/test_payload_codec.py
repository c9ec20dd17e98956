"""Codecs that sign and encrypt: what they accept, what they reject, and what they never show."""

from __future__ import annotations

import traceback
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiojobs_redis import ConfigInvalid, EncryptedCodec, PayloadCodec, PayloadRejected, SignedCodec
from aiojobs_redis.payload_codec import netstring
from aiojobs_redis.sealing import Sealing

OLD, NEW = b"old key S3CR3T-0123456789abcdef!", b"new key S3CR3T-0123456789abcdef!"
CODECS: list[Any] = [SignedCodec, EncryptedCodec]

pytestmark = pytest.mark.requirement("S5")


@pytest.mark.parametrize("kind", CODECS)
@given(data=st.binary(max_size=300), context=st.binary(max_size=50))
@settings(max_examples=100, deadline=None)
def test_what_was_sealed_opens_in_its_place_only(kind: Any, data: bytes, context: bytes) -> None:
    codec = kind({"one": NEW})
    sealed = codec.seal(data, context)
    assert codec.open(sealed, context) == data
    with pytest.raises(PayloadRejected):
        codec.open(sealed, context + b"x")


@pytest.mark.parametrize("kind", CODECS)
def test_every_flipped_bit_and_every_cut_is_rejected(kind: Any) -> None:
    codec = kind({"one": NEW})
    data, context = b"arguments", b"place"
    sealed = codec.seal(data, context)
    forged = [sealed[:at] for at in range(len(sealed))]
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            forged.append(bytes(changed))
    accepted = 0
    for each in (*forged, sealed + b"\x00", data, b""):
        with pytest.raises(PayloadRejected):
            accepted += codec.open(each, context) is not None
    assert accepted == 0


def test_the_body_of_a_signature_is_hidden_by_encryption_only() -> None:
    data = b"canary" * 5
    assert data in SignedCodec({"one": NEW}).seal(data, b"")
    codec = EncryptedCodec({"one": NEW})
    assert b"canary" not in codec.seal(data, b"")
    assert codec.seal(data, b"") != codec.seal(data, b"")


@pytest.mark.parametrize("kind", CODECS)
def test_while_two_keys_are_active_both_are_read_and_one_writes(kind: Any) -> None:
    before = kind({"old": OLD})
    learning = kind({"old": OLD, "new": NEW}, current="old")
    moving = kind({"old": OLD, "new": NEW}, current="new")
    after = kind({"new": NEW})
    for writer, reader in (
        *((before, reader) for reader in (learning, moving)),
        *((learning, reader) for reader in (before, learning, moving)),
        *((moving, reader) for reader in (learning, moving, after)),
    ):
        assert reader.open(writer.seal(b"data", b"place"), b"place") == b"data"
    with pytest.raises(PayloadRejected, match="its key 'old' is not among those given here"):
        after.open(before.seal(b"data", b"place"), b"place")


@pytest.mark.parametrize("kind", CODECS)
def test_a_key_of_the_same_id_and_another_secret_opens_nothing(kind: Any) -> None:
    with pytest.raises(PayloadRejected):
        kind({"one": NEW}).open(kind({"one": OLD}).seal(b"data", b""), b"")


@pytest.mark.parametrize("kind", CODECS)
def test_plain_values_are_accepted_only_where_that_is_asked_for(kind: Any) -> None:
    with pytest.raises(PayloadRejected, match=r"it is not (signed|encrypted)"):
        kind({"one": NEW}).open(b"\x93\x01\xa1t\x91\x90", b"")
    introducing = kind({"one": NEW}, accept_plain=True)
    assert introducing.open(b"\x93\x01\xa1t\x91\x90", b"") == b"\x93\x01\xa1t\x91\x90"
    sealed = bytearray(introducing.seal(b"data", b""))
    sealed[-1] ^= 1
    with pytest.raises(PayloadRejected):
        introducing.open(bytes(sealed), b"")


def test_a_signed_value_is_not_taken_for_an_encrypted_one() -> None:
    signed = SignedCodec({"one": NEW}).seal(b"data", b"")
    with pytest.raises(PayloadRejected, match="signed where encrypted is asked for"):
        EncryptedCodec({"one": NEW}, accept_plain=True).open(signed, b"")


@pytest.mark.parametrize("kind", CODECS)
def test_an_envelope_that_was_made_by_hand_is_rejected_and_raises_nothing_else(kind: Any) -> None:
    codec = kind({"one": NEW})
    name = "signed" if kind is SignedCodec else "encrypted"
    for envelope in (
        [name, "one", b"", b""],
        [name, "one", b"x" * 5000, b"y"],
        [name, "one", b"0" * 12, b""],
        [name, "../../etc/passwd", b"", b""],
        [name, 5, b"", b""],
        [name, "one", b""],
        [name, "one", b"", b"", b""],
        {"kind": name},
    ):
        with pytest.raises(PayloadRejected):
            codec.open(msgspec.msgpack.encode(envelope), b"")


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize(
    ("keys", "current", "message"),
    [
        ({}, None, "keys must hold a key at least"),
        ({"one": NEW, "two": OLD}, None, "current must name the key that writes, one of one, two"),
        ({"one": NEW}, "two", "current names the key 'two', which is not one of keys: one"),
        ({"one": b"S3CR3T"}, None, "the secret of key 'one' must be .*32 bytes.*, got 6 bytes"),
        ({"one": "S3CR3T" * 9}, None, "the secret of key 'one' must be .*, got a str"),
        ({NEW.decode(): NEW}, None, "a key id must be 1 to 64 characters"),
        ({"one": NEW}, NEW.decode(), "a key id must be 1 to 64 characters"),
        ({"one": NEW}, NEW, "a key id must be 1 to 64 characters"),
        ({"one": NEW}, "S3CR3T" * 6, "current names the key, which is not one of keys: one"),
    ],
)
def test_unfit_keys_are_refused_without_being_shown(
    kind: Any, keys: Any, current: Any, message: str
) -> None:
    with pytest.raises(ConfigInvalid, match=message) as caught:
        kind(keys, current=current)
    assert "S3CR3T" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.requirement("S10")
def test_no_secret_is_kept_where_it_can_be_seen(kind: Any) -> None:
    codec = kind({"one": NEW, "two": OLD}, current="two")
    assert repr(codec) == f"<{kind.__name__} keys one, two, current two>"
    shown = f"{codec!r} {codec} {vars(codec)} {Sealing(codec, 'ns', 'q')!r}"
    assert "S3CR3T" not in shown
    # A traceback shows lines of code too, so the canary stands in none.
    canary = b"-".join([b"argument", b"canary"])
    with pytest.raises(PayloadRejected) as caught:
        codec.open(kind({"one": OLD}).seal(canary, b""), b"")
    told = "".join(traceback.format_exception(caught.value))
    assert "S3CR3T" not in told
    assert canary.decode() not in told


@given(st.lists(st.binary(max_size=12), max_size=4), st.lists(st.binary(max_size=12), max_size=4))
def test_no_two_places_have_one_text(one: list[bytes], two: list[bytes]) -> None:
    assert (netstring(*one) == netstring(*two)) == (one == two)


def test_a_codec_is_whatever_seals_and_opens() -> None:
    assert isinstance(SignedCodec({"one": NEW}), PayloadCodec)
    with pytest.raises(ConfigInvalid, match=r"codec must have .* seal and open.*got a str"):
        Sealing("key", "ns", "q")  # type: ignore[arg-type]


def test_a_value_belongs_to_one_namespace_queue_kind_and_id() -> None:
    codec = SignedCodec({"one": NEW})
    sealed = Sealing(codec, "ns", "q").seal("payload", b"id", b"data")
    assert Sealing(codec, "ns", "q").open("payload", b"id", sealed) == b"data"
    for sealing, kind, id in (
        (Sealing(codec, "ns2", "q"), "payload", b"id"),
        (Sealing(codec, "ns", "q2"), "payload", b"id"),
        (Sealing(codec, "n", "sq"), "payload", b"id"),
        (Sealing(codec, "ns", "q"), "result", b"id"),
        (Sealing(codec, "ns", "q"), "payload", b"id2"),
    ):
        with pytest.raises(PayloadRejected, match=r"the stored (payload|result) of id2? in queue"):
            sealing.open(kind, id, sealed)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("flag", ["no", "S3CR3T", 0, None])
def test_what_bears_no_seal_is_accepted_by_a_true_flag_only(kind: Any, flag: Any) -> None:
    with pytest.raises(ConfigInvalid, match="accept_plain must be True or False, got a ") as caught:
        kind({"one": NEW}, accept_plain=flag)
    assert "S3CR3T" not in str(caught.value)
