from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Never, ParamSpec, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid
from aiojobs_redis.signature import Signature

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]

P = ParamSpec("P")
R = TypeVar("R")


class Point(msgspec.Struct):
    x: int
    y: int


def greet(name: str, greeting: str = "Hello", *, loud: bool = False) -> str:
    return f"{greeting} {name}{'!' if loud else ''}"


def place(a: int, b: int = 0, /, c: int = 0, *, d: int, e: int = 0) -> None: ...


def collect(first: int, *rest: int, sep: str = " ", **extra: int) -> None: ...


def shadow(a: int, /, **extra: int) -> None: ...


def nothing() -> None: ...


FUNCTIONS: list[Callable[..., Any]] = [greet, place, collect, shadow, nothing]


def refusal(fn: Callable[..., Any], count: int, *names: str) -> str:
    with pytest.raises(ArgumentsInvalid) as caught:
        Signature(fn, name=fn.__name__).check(count, set(names))
    return str(caught.value)


@given(
    fn=st.sampled_from(FUNCTIONS),
    count=st.integers(0, 5),
    names=st.sets(
        st.sampled_from(["name", "greeting", "loud", "first", "rest", "sep", *"abcde", "z"]),
        max_size=4,
    ),
)
def test_a_call_is_accepted_exactly_when_python_would_run_it(
    fn: Callable[..., Any], count: int, names: set[str]
) -> None:
    signature = Signature(fn, name=fn.__name__)
    try:
        fn(*range(count), **dict.fromkeys(names, 0))
    except TypeError:
        with pytest.raises(ArgumentsInvalid):
            signature.check(count, names)
    else:
        signature.check(count, names)
        assert len(signature.parameters(count, names)) == count + len(names)


def test_a_missing_argument_is_named() -> None:
    assert refusal(place, 1) == "place() is missing d; it was called with 1 positional arguments."
    assert "greet() is missing name" in refusal(greet, 0, "loud")


def test_too_many_arguments_are_counted() -> None:
    assert "at most 2 positional arguments (name, greeting), got 3" in refusal(greet, 3)
    assert "at most 0 positional arguments (none), got 1" in refusal(nothing, 1)


def test_a_misspelt_keyword_gets_the_nearest_parameter() -> None:
    assert (
        refusal(greet, 1, "lout") == "greet() has no parameter 'lout'. Did you mean 'loud'? "
        "It takes name, greeting, loud."
    )
    assert "did you mean" not in refusal(greet, 1, "zzzz")


def test_an_argument_given_twice_is_named() -> None:
    assert "got name both by position and by keyword" in refusal(greet, 1, "name")
    assert "got first both by position and by keyword" in refusal(collect, 1, "first")


def test_a_positional_only_parameter_is_refused_by_keyword() -> None:
    assert "takes a by position only" in refusal(place, 0, "a", "d")
    assert "shadow() is missing a" in refusal(shadow, 0, "a")


def test_an_excluded_parameter_is_no_part_of_the_call() -> None:
    def merge(first: int, parents: Point, tail: int = 0, *rest: int, key: str = "") -> None: ...

    signature = Signature(merge, name="merge", exclude=frozenset({"parents"}))
    signature.check(1, {"tail"})
    with pytest.raises(ArgumentsInvalid, match="does not take parents from its caller"):
        signature.check(1, {"parents"})
    with pytest.raises(ArgumentsInvalid, match=r"at most 1 positional arguments \(first\)"):
        signature.check(2, set())


def test_an_excluded_parameter_must_be_one_that_a_keyword_can_give() -> None:
    with pytest.raises(ConfigInvalid, match="parameter 'a' is passed by keyword"):
        Signature(place, name="place", exclude=frozenset({"a"}))


def test_annotations_of_a_class_in_the_enclosing_function_are_found() -> None:
    class Local(msgspec.Struct):
        x: int

    def task(a: Local, b: list[Local]) -> Local | None: ...

    signature = Signature(task, name="task")
    assert signature.named["a"].annotation is Local
    assert signature.named["b"].annotation == list[Local]
    assert signature.returns.annotation == Local | None


async def test_the_enclosing_function_may_be_a_coroutine() -> None:
    class Local(msgspec.Struct):
        x: int

    async def task(a: Local) -> None: ...

    assert Signature(task, name="task").named["a"].annotation is Local


def test_annotations_in_the_closure_are_found_after_the_enclosing_function_returned() -> None:
    def outer() -> Callable[..., Any]:
        class Local(msgspec.Struct):
            x: int

        def task(a: Local) -> None:
            Local(1)

        return task

    assert Signature(outer(), name="task").named["a"].annotation.__name__ == "Local"


def test_a_name_that_only_type_checkers_see_is_refused_by_name() -> None:
    def task(a: Missing) -> None: ...

    with pytest.raises(
        ConfigInvalid, match=r"task\(\): 'a' is annotated Missing, but Missing is not defined"
    ):
        Signature(task, name="task")


def test_an_annotation_that_is_no_expression_is_refused() -> None:
    def task(a: int) -> None: ...

    task.__annotations__["a"] = "1 +"
    with pytest.raises(ConfigInvalid, match=r"'a' is annotated 1 \+, which cannot be sent"):
        Signature(task, name="task")


def test_a_wrapped_function_keeps_its_signature() -> None:
    def logged(fn: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fn)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            return fn(*args, **kwargs)

        return wrapper

    signature = Signature(logged(greet), name="greet")
    assert list(signature.named) == ["name", "greeting", "loud"]
    assert signature.returns.annotation is str


def test_a_wrapper_without_wraps_takes_anything() -> None:
    def logged(fn: Callable[P, R]) -> Callable[P, R]:
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            return fn(*args, **kwargs)

        return wrapper

    signature = Signature(logged(greet), name="greet")
    signature.check(7, {"anything"})
    assert signature.fault((1, "x", None), {"anything": b""}) is None


def test_partials_methods_and_callable_objects_are_read() -> None:
    class Mailer:
        def send(self, to: Point) -> Point:
            return to

        def __call__(self, to: Point) -> Point:
            return to

    for fn in (functools.partial(greet, loud=True), Mailer().send, Mailer()):
        signature = Signature(fn, name="task")
        assert signature.returns.annotation in (str, Point)
        assert "self" not in signature.named


def test_a_callable_without_signature_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"task\(\) has no signature to read"):
        Signature(type, name="task")


def test_no_annotation_means_any() -> None:
    def task(a, *b, **c): ...  # type: ignore[no-untyped-def]

    signature = Signature(task, name="task")
    assert signature.named["a"].annotation is Any
    assert signature.returns.annotation is Any
    assert signature.fault((object,), {}) == (
        "a: Any, got <class 'object'> (type), which cannot be encoded: "
        "values of type type cannot be sent"
    )


def test_an_awaitable_result_counts_as_what_it_yields() -> None:
    def task() -> Awaitable[int]: ...  # type: ignore[empty-body]
    def fails() -> Never:
        raise ValueError

    assert Signature(task, name="task").returns.annotation is int
    assert Signature(fails, name="fails").returns.annotation is Any


def test_the_path_of_a_fault_names_the_argument() -> None:
    signature = Signature(collect, name="collect")
    assert signature.fault((1, 2, "x"), {}) == "rest[1]: int, got 'x' (str)"
    assert signature.fault((1,), {"sep": 3}) == "sep: str, got 3 (int)"
    assert signature.fault((1,), {"more": "x"}) == "more: int, got 'x' (str)"


def test_long_values_are_cut() -> None:
    fault = Signature(collect, name="collect").fault(("x" * 10_000_000,), {})
    assert fault is not None
    assert len(fault) < 120
