from __future__ import annotations

import dataclasses
import enum
import pathlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiojobs_redis.codec import (
    CallCodec,
    ResultNotEncodable,
    decode_untyped,
    decode_untyped_result,
    encode_untyped,
)
from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid

T = TypeVar("T")
UserId = NewType("UserId", int)
Age = Annotated[int, msgspec.Meta(ge=0, le=150)]


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int


class Tree(msgspec.Struct):
    value: int
    branches: list[Tree] = []


class Cat(msgspec.Struct, tag=True):
    name: str


class Dog(msgspec.Struct, tag=True):
    name: str


@dataclasses.dataclass
class Address:
    zip: int
    town: str


class Options(TypedDict, total=False):
    at: datetime


class Pair(NamedTuple):
    left: Decimal
    right: UUID


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 2


class Box(msgspec.Struct, Generic[T]):
    content: T


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    number: int = pydantic.Field(alias="orderNumber", ge=1)
    due: datetime
    total: Decimal
    tags: set[str]
    blob: bytes

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def size(self) -> int:
        return len(self.blob)


class Opaque:
    pass


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


ID = UUID("12345678-1234-5678-1234-567812345678")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def taking(annotation: Any, *, returns: Any = Any) -> CallCodec:
    def task(value: Any) -> Any: ...

    task.__annotations__.update({"value": annotation, "return": returns})
    return CallCodec(task, name="task")


def greet(name: str, greeting: str = "Hello", *, loud: bool = False) -> str:
    return f"{greeting} {name}{loud}"


def ship(address: Address, *lines: Point, note: str | None = None, **extra: Address) -> None: ...


def refusal(codec: CallCodec, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ArgumentsInvalid) as caught:
        codec.encode(args, kwargs)
    return str(caught.value)


GREET = CallCodec(greet, name="greet")
SHIP = CallCodec(ship, name="ship")


@pytest.mark.requirement("U2")
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Any, [1, "a", None, {"k": b"v"}, 1.5]),
        (object, {"a": 1}),
        (None, None),
        (int, -(2**63)),
        (int, 2**64 - 1),
        (float, float("inf")),
        (Point, Point(1, 2)),
        (Tree, Tree(1, [Tree(2), Tree(3, [Tree(4)])])),
        (Address, Address(12345, "Ulm")),
        (Options, {"at": NOW}),
        (Pair, Pair(Decimal("1.10"), ID)),
        (Colour, Colour.RED),
        (Level, Level.HIGH),
        (datetime, NOW),
        (datetime, datetime(2026, 1, 2, 3, 4, 5, 6)),
        (date, date(2026, 1, 2)),
        (time, time(3, 4, 5, 6)),
        (timedelta, timedelta(days=-3, microseconds=7)),
        (UUID, ID),
        (Decimal, Decimal("0.10")),
        (bytes, b"\x00\xff"),
        (bytearray, bytearray(b"\x00\xff")),
        (UserId, UserId(7)),
        (Age, 150),
        (Literal["a", 1], "a"),
        (dict[str, list[Point]], {"a": [Point(1, 2)]}),
        (dict[int, str], {1: "a"}),
        (tuple[int, ...], (1, 2, 3)),
        (tuple[int, str], (1, "a")),
        (set[Point], {Point(1, 2)}),
        (frozenset[UUID], frozenset({ID})),
        (Mapping[str, int], {"a": 1}),
        (Box[Point], Box(Point(1, 2))),
        (Cat | Dog, Dog("Rex")),
        (int | str | None, None),
        (list[Order | None], [None]),
    ],
)
def test_values_come_back_as_annotated(annotation: Any, value: Any) -> None:
    codec = taking(annotation, returns=annotation)
    for args, kwargs in (((value,), {}), ((), {"value": value})):
        decoded_args, decoded_kwargs = codec.decode(codec.encode(args, kwargs))
        decoded = [*decoded_args, *decoded_kwargs.values()]
        assert decoded == [value]
        assert type(decoded[0]) is type(value)
    result = codec.decode_result(codec.encode_result(value))
    assert result == value
    assert type(result) is type(value)


def test_a_float_may_be_nan_or_given_as_an_integer() -> None:
    codec = taking(float)
    (nan,), _ = codec.decode(codec.encode((float("nan"),), {}))
    assert nan != nan
    (whole,), _ = codec.decode(codec.encode((3,), {}))
    assert type(whole) is float


def test_subclasses_of_plain_types_arrive_as_the_plain_type() -> None:
    codec = taking(list[str | int | float])
    value = [Text("a"), Whole(1), Real(1.5)]
    (decoded,), _ = codec.decode(codec.encode((value,), {}))
    assert [type(item) for item in decoded] == [str, int, float]
    assert decode_untyped(encode_untyped((defaultdict(int, a=1),), {})) == ([{"a": 1}], {})


def test_an_aware_datetime_keeps_its_instant() -> None:
    codec = taking(datetime)
    value = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    (decoded,), _ = codec.decode(codec.encode((value,), {}))
    assert decoded == value
    assert decoded.tzinfo is not None


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False)
        | st.text()
        | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_plain_values_come_back_equal_without_annotations(value: Any) -> None:
    codec = taking(Any)
    data = codec.encode((value,), {})
    assert codec.decode(data) == ((value,), {})
    assert decode_untyped(data) == ([value], {})


@pytest.mark.parametrize(
    ("args", "kwargs", "data"),
    [
        (("Ada",), {}, b"\x91\x91\xa3Ada"),
        (("Ada", "Hi"), {"loud": True}, b"\x92\x92\xa3Ada\xa2Hi\x81\xa4loud\xc3"),
        ((), {"name": "Ada"}, b"\x92\x90\x81\xa4name\xa3Ada"),
    ],
)
def test_a_call_keeps_the_form_in_which_it_was_given(
    args: tuple[Any, ...], kwargs: dict[str, Any], data: bytes
) -> None:
    assert GREET.encode(args, kwargs) == encode_untyped(args, kwargs) == data
    for source in (data, bytearray(data), memoryview(data), msgspec.Raw(data)):
        decoded = GREET.decode(source)
        assert (tuple(decoded[0]), decoded[1]) == (args, kwargs)
        assert decode_untyped(source) == (list(args), kwargs)


def test_a_call_embedded_in_a_larger_record_is_decoded_from_its_slice() -> None:
    record = msgspec.msgpack.encode(["greet", msgspec.Raw(GREET.encode(("Ada",), {})), 7])
    _, raw, _ = msgspec.msgpack.decode(record, type=tuple[str, msgspec.Raw, int])
    assert GREET.decode(raw) == (("Ada",), {})


def test_extra_arguments_are_checked_by_their_annotation() -> None:
    args, kwargs = (Address(1, "a"), Point(1, 2), Point(3, 4)), {"home": Address(2, "b")}
    decoded = SHIP.decode(SHIP.encode(args, kwargs))
    assert decoded == (list(args), kwargs)
    assert "expects lines[1]: Point, got 'x' (str)" in refusal(SHIP, args[0], args[1], "x")
    assert "expects home: Address, got 1 (int)" in refusal(SHIP, args[0], home=1)


def test_more_arguments_than_a_short_header_counts_are_decoded() -> None:
    def total(*values: int) -> int:
        return sum(values)

    codec = CallCodec(total, name="total")
    assert codec.decode(codec.encode(tuple(range(1000)), {}))[0] == list(range(1000))


@pytest.mark.requirement("U2")
def test_a_wrong_type_is_refused_with_the_parameter_and_the_value() -> None:
    assert refusal(GREET, 42) == "greet() expects name: str, got 42 (int). Nothing was written."
    assert "expects loud: bool, got 1 (int)" in refusal(GREET, "Ada", loud=1)
    assert "expects name: str, got None (NoneType)" in refusal(GREET, None)
    assert "expects value: int, got True (bool)" in refusal(taking(int), True)


def test_a_wrong_type_inside_a_value_is_refused_with_its_path() -> None:
    bad: Any = Address("x", "Ulm")  # type: ignore[arg-type]
    assert (
        refusal(SHIP, bad) == "ship() expects address: Address, got Address(zip='x', town='Ulm') "
        "(Address): Expected `int`, got `str` at address.zip. Nothing was written."
    )
    assert "at value[...].x" in refusal(taking(dict[str, Point]), {"a": {"x": "1", "y": 2}})
    assert "at value[1]" in refusal(taking(list[int]), [1, "2"])


def test_a_constraint_and_an_unknown_enum_value_are_explained() -> None:
    assert "got 151 (int): Expected `int` <= 150" in refusal(taking(Age), 151)
    assert "Invalid enum value 'blue'" in refusal(taking(Colour), "blue")


@pytest.mark.behaviour("T04")
def test_an_argument_that_cannot_be_encoded_is_refused_by_name_and_type() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    codec = taking(Any)
    with tempfile.TemporaryFile() as file:
        assert "(BufferedRandom), which cannot be encoded" in refusal(codec, file)
    assert "contains itself or is nested too deeply" in refusal(codec, cycle)
    assert "integers are limited to 64 bits" in refusal(codec, 2**64)
    assert "integers are limited to 64 bits" in refusal(taking(int), -(2**63) - 1)
    assert "integers are limited to 64 bits" in refusal(codec, 10**5000)
    assert "expects value: int, got" in refusal(taking(int), 2**64)
    assert "surrogates not allowed" in refusal(taking(str), "\ud800")
    assert "values of type Opaque cannot be sent" in refusal(codec, Opaque())


def test_an_unannotated_value_that_could_not_be_read_again_is_refused() -> None:
    assert "expects value: Any" in refusal(taking(Any), {Point(1, 2): "a"})


def test_a_value_with_a_broken_repr_is_refused_all_the_same() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise ValueError

    assert "(test_a_value_with_a_broken_repr" in refusal(taking(int), Rude())


def test_long_values_and_reasons_are_cut() -> None:
    assert len(refusal(taking(int), "x" * 100_000)) < 200
    assert len(refusal(taking(int), ["y" * 1000] * 100)) < 200
    assert len(refusal(taking(Order), {"z" * 1000: 1})) < 500


@pytest.mark.parametrize(
    "annotation",
    [
        Opaque,
        list[Opaque],
        dict[str, tuple[Opaque, ...]],
        Opaque | None,
        pathlib.Path,
        Callable[[], int],
        list[int] | set[int],
        Point | Address,
        Order | int,
        complex,
        3,
    ],
)
def test_an_unsupported_annotation_is_refused_at_declaration(annotation: Any) -> None:
    with pytest.raises(ConfigInvalid, match=r"task\(\): 'value' is annotated .*cannot be sent"):
        taking(annotation)
    with pytest.raises(ConfigInvalid, match=r"task\(\): 'return' is annotated .*cannot be sent"):
        taking(int, returns=annotation)


def test_an_unsupported_type_inside_a_struct_is_refused_at_declaration() -> None:
    class Holder(msgspec.Struct):
        inner: Tree
        opaque: Opaque

    with pytest.raises(ConfigInvalid, match="Opaque has no MessagePack form"):
        taking(Holder)


def test_pydantic_models_come_back_as_models() -> None:
    order = Order(
        orderNumber=1,
        due=datetime(2026, 1, 2),
        total=Decimal("9.90"),
        tags={"a"},
        blob=b"\xff",
    )
    codec = taking(list[Order], returns=Order | None)
    assert codec.decode(codec.encode(([order],), {})) == (([order],), {})
    assert codec.decode_result(codec.encode_result(order)) == order
    assert codec.decode_result(codec.encode_result(None)) is None


def test_a_pydantic_model_is_validated_before_it_is_sent() -> None:
    text = refusal(taking(Order), Order.model_construct(number=0))
    assert "expects value: " in text
    assert "greater than or equal to 1" in text


@pytest.mark.behaviour("T04")
def test_a_result_that_cannot_be_stored_is_refused_with_its_type() -> None:
    def add(a: int, b: int) -> int: ...  # type: ignore[empty-body]

    codec = CallCodec(add, name="add")
    with pytest.raises(ResultNotEncodable, match=r"^add\(\) must return int, got 'x' \(str\)\.$"):
        codec.encode_result("x")
    with pytest.raises(ResultNotEncodable, match="64 bits"):
        codec.encode_result(2**64)
    with pytest.raises(ResultNotEncodable, match="values of type Opaque cannot be sent"):
        taking(int).encode_result(Opaque())
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    with pytest.raises(ResultNotEncodable, match="contains itself"):
        taking(int).encode_result(cycle)


@pytest.mark.behaviour("T03")
@pytest.mark.parametrize("value", [{"a": [1]}, [1, "b"], "text", True, None])
def test_a_result_is_read_without_its_annotation(value: Any) -> None:
    assert decode_untyped_result(taking(int).encode_result(value)) == value


def test_a_result_of_another_version_of_the_task_is_refused() -> None:
    codec = taking(int, returns=int)
    for data in (b"\xa1x", memoryview(b"\xa1x"), msgspec.Raw(b"\xa1x")):
        with pytest.raises(ArgumentsInvalid, match=r"the result of task\(\) should be .* 'x'"):
            codec.decode_result(data)
    for data in (b"", b"\xc1", b"\x91" * 100_000):
        with pytest.raises(ArgumentsInvalid):
            codec.decode_result(data)
        with pytest.raises(ArgumentsInvalid):
            decode_untyped_result(data)


def test_a_call_by_name_that_cannot_be_encoded_names_the_argument() -> None:
    with pytest.raises(ArgumentsInvalid, match=r"^args\[1\] got .*\(Opaque\), which cannot be"):
        encode_untyped((1, Opaque()), {})
    with pytest.raises(ArgumentsInvalid, match=r"^key got .*64 bits"):
        encode_untyped((1,), {"key": 2**70})
    with pytest.raises(ArgumentsInvalid, match=r"surrogates not allowed\. Nothing was written\.$"):
        encode_untyped((), {"\ud800": 1})


@pytest.mark.requirement("U2")
@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((42,), {}, "expects name: str, got 42 (int)"),
        ((), {"name": 42}, "expects name: str, got 42 (int)"),
        ((), {}, "is missing name"),
        (("Ada",), {"name": "Ada"}, "by position and by keyword"),
        (("Ada",), {"lout": True}, "Did you mean 'loud'?"),
    ],
)
def test_a_stored_call_that_does_not_fit_is_refused(
    args: Sequence[Any], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        GREET.decode(encode_untyped(args, kwargs))
    assert message in str(caught.value)


HEADERS = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
KINDS = [Any, list[Tree], tuple[int, ...], Order, dict[Point, set[UUID]], datetime | int]
VICTIMS = [GREET, SHIP, *map(taking, KINDS)]


def decodes_or_refuses(data: bytes) -> None:
    for decode in (*(codec.decode for codec in VICTIMS), decode_untyped):
        try:
            args, kwargs = decode(data)
        except ArgumentsInvalid as error:
            assert len(str(error)) < 1000  # noqa: PT017
        else:
            assert isinstance(args, list | tuple)
            assert type(kwargs) is dict


@pytest.mark.requirement("U2")
@given(st.binary(max_size=60))
@example(b"")
@example(b"\x91\x91\xd6\xff\xff\xff\xff\xff")
@example(b"\x91\x91\xc7\x0c\xff" + b"\xff" * 12)
@example(b"\x91\x91\x81\x80\x01")
@example(b"\x93\x90\x80\x01")
@example(b"\x92\x90\x81\x01\x02")
@example(b"\x91\x91\xa1a\xc0")
def test_random_bytes_end_in_a_call_or_in_one_error(data: bytes) -> None:
    decodes_or_refuses(data)
    decodes_or_refuses(b"\x91\x91" + data)
    decodes_or_refuses(b"\x92\x90\x81" + data)


@pytest.mark.parametrize("prefix", [b"", b"\x91", b"\x91\x91", b"\x92\x90\x81\xa4name"])
def test_hostile_lengths_and_depths_are_refused(prefix: bytes) -> None:
    for header in HEADERS:
        decodes_or_refuses(prefix + header)
        decodes_or_refuses(prefix + header * 3 + b"\x01" * 100)
    for nest in (b"\x91", b"\x81\xa1a", b"\x82\xa5value\x01\xa8branches\x91"):
        decodes_or_refuses(prefix + nest * 100_000)
        decodes_or_refuses(prefix + nest * 100_000 + b"\x01")


@given(st.data())
def test_a_truncated_or_mutated_call_ends_in_a_call_or_in_one_error(data: st.DataObject) -> None:
    call = encode_untyped(({"a": [1, NOW, "text", b"raw", 1.5, None]},), {"loud": [True] * 20})
    place = data.draw(st.integers(0, len(call) - 1))
    decodes_or_refuses(call[:place])
    other = data.draw(st.binary(min_size=1, max_size=1))
    decodes_or_refuses(call[:place] + other + call[place + 1 :])


def test_a_stored_value_runs_no_code() -> None:
    bomb = b"csys\nexit\n(I1\ntR."  # a pickle of sys.exit(1)
    decodes_or_refuses(bomb)
    assert taking(Any).decode(encode_untyped((bomb,), {})) == ((bomb,), {})
