"""Arguments and results to MessagePack and back, by the annotations of the task.

Arguments travel as one array, ``[positional]`` or ``[positional, keywords]``, in the order and form
in which the caller gave them; a result travels as its bare value. What `CallCodec.encode` accepts,
the same codec decodes, and bytes from elsewhere end in a value that fits or in one error type.
"""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.errors import ArgumentsInvalid
from aiojobs_redis.signature import Encoded, Parameter, Signature, decoder, encode_value, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "CallCodec",
    "ResultNotEncodable",
    "decode_untyped",
    "decode_untyped_result",
    "encode_untyped",
    "encode_untyped_result",
]


class ResultNotEncodable(TypeError):
    """What a task returned has no MessagePack form, or is not what the task declares."""


class _RawCall(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    args: list[msgspec.Raw]
    kwargs: dict[str, msgspec.Raw] = {}


class _UntypedCall(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    args: list[Any]
    kwargs: dict[str, Any] = {}


_SKEW = "Writer and reader may run different versions of the task"
_ANY = Parameter("value", Any, "Any")
_decode_raw_call: Callable[[Encoded], _RawCall] = decoder(_RawCall)
_decode_untyped_call: Callable[[Encoded], _UntypedCall] = decoder(_UntypedCall)


class CallCodec:
    """The arguments and the result of one task.

    Args:
        fn: The task's function.
        name: The task's name, for messages.
        exclude: Parameters that are no part of a call, because something else passes them.

    Raises:
        ConfigInvalid: An annotation cannot be evaluated or has no MessagePack form.

    Attributes:
        signature: What the function takes and returns.
    """

    def __init__(
        self, fn: Callable[..., Any], *, name: str, exclude: frozenset[str] = frozenset()
    ) -> None:
        self._name = name
        self.signature: Signature = Signature(fn, name=name, exclude=exclude)
        positional = self.signature.positional
        self._returns = self.signature.returns
        # A call without keywords has one of a few shapes, told by its first two bytes; for each
        # one decoder reads the whole call at once.
        self._decode_by_head: dict[bytes, Callable[[Encoded], tuple[tuple[Any, ...]]]] = {}
        for count in self.signature.complete & frozenset(range(16)):
            places = GenericAlias(tuple, tuple(item.annotation for item in positional[:count]))
            head, call = bytes((0x91, 0x90 | count)), GenericAlias(tuple, (places,))
            self._decode_by_head[head] = decoder(call)

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Encode a call that fits the signature and the annotations.

        Raises:
            ArgumentsInvalid: An argument is missing, unknown, of another type or cannot be encoded.
        """
        self.signature.check(len(args), kwargs.keys())
        try:
            data = encode_value((args, dict(kwargs)) if kwargs else (args,))
            if not self.signature.is_exact(args, kwargs):
                self.decode(data)
        except Exception as error:
            raise self._invalid(args, kwargs, error, "Nothing was written") from error
        return data

    def decode(self, data: Encoded) -> tuple[Sequence[Any], dict[str, Any]]:
        """Decode a call, each argument to the type of its annotation.

        Raises:
            ArgumentsInvalid: The bytes are no call, or one that does not fit the signature.
        """
        decode = self._decode_by_head.get(bytes(memoryview(data)[:2]))
        if decode is None:
            return self._decode_each(data)
        try:
            return decode(data)[0], {}
        except Exception:
            # One argument at a time meets the same fault and can name the parameter.
            return self._decode_each(data)

    def encode_result(self, value: Any) -> bytes:
        """Encode what the task returned.

        Raises:
            ResultNotEncodable: It has no MessagePack form, or is not what the task declares.
        """
        try:
            data = encode_value(value)
            if type(value) not in self._returns.exact:
                self._returns.decode(data)
        except Exception as error:
            fault = self._returns.fault("result", value) or reason(error)
            text = f"{self._name}() must return {self._returns.label}, {fault}."
            raise ResultNotEncodable(text) from error
        return data

    def decode_result(self, data: Encoded) -> Any:
        """Decode a result to the type of the return annotation.

        Raises:
            ArgumentsInvalid: The bytes do not fit it, as after a change of the annotation.
        """
        try:
            return self._returns.decode(data)
        except Exception as error:
            fault = self._returns.fault("result", msgspec.Raw(data)) or reason(error)
            raise ArgumentsInvalid(
                f"the result of {self._name}() should be {self._returns.label}, {fault}. {_SKEW}."
            ) from error

    def _decode_each(self, data: Encoded) -> tuple[list[Any], dict[str, Any]]:
        try:
            call = _decode_raw_call(data)
        except Exception as error:
            text = f"{self._name}() cannot be called with what is stored: {reason(error)}. {_SKEW}."
            raise ArgumentsInvalid(text) from error
        self.signature.check(len(call.args), call.kwargs.keys())
        try:
            parameters = self.signature.parameters(len(call.args), call.kwargs)
            values = (*call.args, *call.kwargs.values())
            bound = [item.decode(raw) for item, raw in zip(parameters, values, strict=True)]
        except Exception as error:
            raise self._invalid(call.args, call.kwargs, error, _SKEW) from error
        return bound[: len(call.args)], dict(zip(call.kwargs, bound[len(call.args) :], strict=True))

    def _invalid(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception, hint: str
    ) -> ArgumentsInvalid:
        fault = self.signature.fault(args, kwargs) or f"another call: {reason(error)}"
        return ArgumentsInvalid(f"{self._name}() expects {fault}. {hint}.")


def encode_untyped(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Encode a call of a task whose signature is not known here.

    Raises:
        ArgumentsInvalid: An argument cannot be encoded.
    """
    try:
        return encode_value((args, dict(kwargs)) if kwargs else (args,))
    except Exception as error:
        named = {**{f"args[{place}]": value for place, value in enumerate(args)}, **kwargs}
        faults = (f"{path} {fault}" for path in named if (fault := _ANY.fault(path, named[path])))
        what = next(faults, f"this call cannot be encoded: {reason(error)}")
        raise ArgumentsInvalid(f"{what}. Nothing was written.") from error


def decode_untyped(data: Encoded) -> tuple[list[Any], dict[str, Any]]:
    """Decode a call without its signature, to plain values.

    Raises:
        ArgumentsInvalid: The bytes are no call.
    """
    try:
        call = _decode_untyped_call(data)
    except Exception as error:
        raise ArgumentsInvalid(f"what is stored is no call: {reason(error)}.") from error
    return call.args, call.kwargs


def decode_untyped_result(data: Encoded) -> Any:
    """Decode a result without its annotation, to plain values.

    Raises:
        ArgumentsInvalid: The bytes are no value.
    """
    try:
        return _ANY.decode(data)
    except Exception as error:
        raise ArgumentsInvalid(f"what is stored is no result: {reason(error)}.") from error


def encode_untyped_result(value: Any) -> bytes:
    """Encode a result without its annotation.

    Raises:
        ResultNotEncodable: It has no MessagePack form.
    """
    try:
        return encode_value(value)
    except Exception as error:
        fault = _ANY.fault("result", value) or reason(error)
        raise ResultNotEncodable(f"the result {fault}.") from error
