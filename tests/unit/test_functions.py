"""How functions and arguments cross: what can be imported by name, the rest by value, or an error at the call."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import task
from supervisor.errors import SerializationError, UnknownFunctionError
from supervisor.functions import Call, Packing, Resolver, name_of, reference_of
from supervisor.payloads import dump_result, load_result
from supervisor.wire.call_kind import BY_REFERENCE, BY_VALUE
from tests.support import tasks as tasks_module

ROOT = Path(__file__).parents[2]
HERE = __name__
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=6,
)


def join(*words: object, sep: str = "-") -> str:
    return sep.join(map(str, words))


def of(first: object, second: object = None) -> object:
    return first or second


@task
def decorated(word: str) -> str:
    return word.upper()


@task(name="renamed", max_retries=0)
def with_options(word: str) -> str:
    return word.lower()


@dataclass
class Point:
    x: int

    def moved(self, by: int) -> int:
        return self.x + by

    @classmethod
    def at(cls, x: int) -> Point:
        return cls(x)

    @staticmethod
    def origin() -> int:
        return 0


class Unpicklable:
    def __reduce__(self) -> str:
        raise RuntimeError("never pickle me")


def there_and_back(function: Callable[..., Any], *args: object, **kwargs: object) -> Call:
    return Resolver().unpack(Packing(function, "task").pack(args, kwargs), "task")


def called(call: Call) -> object:
    return call.function(*call.args, **call.kwargs)


# -- by name ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (join, f"{HERE}:join"),
        (Point, f"{HERE}:Point"),
        (Point.origin, f"{HERE}:Point.origin"),
        (os.path.join, "posixpath:join"),
        (len, "builtins:len"),
        (dict.fromkeys, None),
        (Point.at, None),
        (Point(1).moved, None),
        (functools.partial(join, 1), None),
        (lambda: 1, None),
    ],
)
def test_what_can_be_imported_goes_by_its_name_and_nothing_else_does(
    function: Callable[..., object], reference: str | None
) -> None:
    assert reference_of(function) == reference


def test_a_function_goes_by_its_name_and_is_found_again() -> None:
    payload = Packing(join, "task").pack((1, 2), {"sep": "+"})
    assert payload[:1] == BY_REFERENCE
    assert b"join" in payload
    assert len(payload) < 200
    call = Resolver().unpack(payload, "task")
    assert call.function is join
    assert called(call) == "1+2"


@given(st.lists(plain, max_size=3), st.dictionaries(st.text(max_size=5), plain, max_size=3))
def test_plain_arguments_arrive_as_they_were_sent(args: list[object], kwargs: dict[str, object]) -> None:
    call = there_and_back(join, *args, **kwargs)
    assert (call.function, call.args, call.kwargs) == (join, tuple(args), kwargs)


@pytest.mark.parametrize(("which", "result"), [(decorated, "A"), (with_options, "a")])
def test_a_decorated_function_goes_by_name_and_what_arrives_is_the_function_itself(which: Any, result: str) -> None:
    inner = which.__supervisor_function__
    payload = Packing(inner, "task").pack(("A" if result == "a" else "a",), {})
    assert payload[:1] == BY_REFERENCE
    call = Resolver().unpack(payload, "task")
    assert call.function is inner
    assert called(call) == result


def test_a_function_that_was_found_is_not_looked_for_again() -> None:
    resolver = Resolver()
    payload = Packing(tasks_module.add, "task").pack((1, 2), {})
    first = resolver.unpack(payload, "task").function
    assert resolver.unpack(payload, "task").function is first


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("no_such_module:f", "module no_such_module cannot be imported"),
        (f"{HERE}:no_such_function", "has no function no_such_function"),
        (f"{HERE}:Point.no_such_method", "has no function"),
        (f"{HERE}:ROOT", "has no function ROOT"),
    ],
)
def test_a_name_under_which_the_worker_finds_nothing_is_an_error_that_says_what_to_do(
    reference: str, reason: str
) -> None:
    payload = BY_REFERENCE + pickle.dumps((reference, (), {}))
    with pytest.raises(UnknownFunctionError, match=rf"know no task 'mine' \(.*{reason}.*name its module in `tasks`"):
        Resolver().unpack(payload, "mine")


@pytest.mark.parametrize("payload", [b"", b"X", b"Zpayload"])
def test_a_payload_of_another_kind_is_refused(payload: bytes) -> None:
    with pytest.raises(UnknownFunctionError, match="unknown kind"):
        Resolver().unpack(payload, "task")


# -- by value ---------------------------------------------------------------------------------------------------


def test_closures_lambdas_and_partials_go_by_value_with_what_they_close_over() -> None:
    factor, counted = 3, []

    def scale(number: int) -> int:
        counted.append(number)
        return factor * number

    for function, result in (
        (scale, 6),
        (lambda number: number + factor, 5),
        (functools.partial(pow, 3), 9),
        (Point(5).moved, 7),
        (Point.at, Point(2)),
    ):
        payload = Packing(function, "task").pack((2,), {})
        assert payload[:1] == BY_VALUE
        assert called(Resolver().unpack(payload, "task")) == result
    assert counted == [], "what arrives is a copy"


def test_a_function_that_no_longer_goes_by_its_own_name_goes_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = join
    monkeypatch.setattr(sys.modules[HERE], "join", None)
    assert reference_of(mine) is None
    assert called(there_and_back(mine, 1, 2)) == "1-2"


def test_a_lambda_among_the_arguments_crosses_too() -> None:
    call = there_and_back(of, lambda: 42)
    assert call.args[0]() == 42


def test_an_object_that_pickles_itself_is_asked_once_and_comes_back() -> None:
    call = there_and_back(of, Point(3), {"deep": [Point(4)]})
    assert call.args == (Point(3), {"deep": [Point(4)]})


_MAIN = """
import dataclasses, sys
from supervisor.functions import Packing, name_of

@dataclasses.dataclass
class Local:
    number: int

FACTOR = 7

def helper(number):
    return FACTOR * number

def by_value(local):
    return helper(local.number)

async def later(number):
    return number

def recursive(number):
    return 1 if number < 2 else number * recursive(number - 1)

from copy import copy as of
for payload in (
    Packing(by_value, "t").pack((Local(6),), {}),
    Packing(recursive, "t").pack((5,), {}),
    Packing(of, "t").pack((Local(6),), {}),
    Packing(of, "t").pack((by_value,), {}),
    Packing(of, "t").pack(("__main__",), {}),
):
    print(payload.hex())
assert name_of(by_value) == "__main__.by_value"
"""


def test_what_lives_in_the_main_program_goes_by_value_to_a_worker_with_another_main(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_MAIN)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    payloads = [bytes.fromhex(line) for line in done.stdout.split()]
    calls = [Resolver().unpack(payload, "t") for payload in payloads]
    assert called(calls[0]) == 42
    assert called(calls[1]) == 120
    arrived: Any = called(calls[2])
    assert (arrived.number, type(arrived).__name__) == (6, "Local")
    function: Any = called(calls[3])
    assert function(arrived) == 42
    assert called(calls[4]) == "__main__"


# -- errors at the call -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs", "label"),
    [
        (((number for number in (1,)),), {}, r"argument 'first' .*\(a generator\)"),
        ((1, threading.Lock()), {}, r"argument 'second' .*\(a lock\)"),
        ((1,), {"second": Unpicklable()}, r"argument 'second' .*\(a Unpicklable\)"),
        (([{"deep": threading.Lock()}],), {}, r"argument 'first' .*\(a list\)"),
    ],
)
def test_an_argument_that_cannot_cross_is_named_at_the_call(
    args: tuple[object, ...], kwargs: dict[str, object], label: str
) -> None:
    with pytest.raises(SerializationError, match=rf"^{label} cannot be serialised: \w+Error: ") as caught:
        Packing(of, "mine").pack(args, kwargs)
    assert "of task mine" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_an_argument_that_cannot_cross_is_named_also_where_the_call_does_not_fit_the_function() -> None:
    with pytest.raises(SerializationError, match="argument '2' of task mine"):
        Packing(of, "mine").pack((1, 2, threading.Lock()), {})
    with pytest.raises(SerializationError, match="argument 'third' of task mine"):
        Packing(of, "mine").pack((), {"third": threading.Lock()})
    with pytest.raises(SerializationError, match="argument 'words' of task mine"):
        Packing(join, "mine").pack((1, threading.Lock()), {})


def test_a_function_that_closes_over_what_cannot_cross_is_named_itself() -> None:
    lock = threading.Lock()
    with pytest.raises(SerializationError, match="the function of task mine cannot be serialised"):
        Packing(lambda: lock, "mine").pack((), {})


def test_a_structure_too_deep_to_pickle_is_an_error_and_no_crash() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="argument 'first'"):
        Packing(of, "mine").pack((deep,), {})


# -- names and results ------------------------------------------------------------------------------------------


def test_a_function_without_a_name_of_its_own_gets_one_that_says_where_it_is_from() -> None:
    assert name_of(join) == f"{HERE}.join"
    assert name_of(Point(1).moved) == f"{HERE}.Point.moved"
    assert name_of(functools.partial(join)) == "functools.partial"
    assert name_of(lambda: 1).startswith(HERE)


@given(plain)
def test_a_result_arrives_as_it_was_returned(value: object) -> None:
    assert load_result(dump_result(value, "task"), "task") == value


def test_a_result_that_cannot_cross_is_named() -> None:
    with pytest.raises(SerializationError, match=r"the result of task mine \(a generator\)"):
        dump_result((number for number in (1,)), "mine")
