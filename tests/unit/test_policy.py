"""When a task runs again, by its own word: types, handlers, requests."""

from __future__ import annotations

import pickle
from itertools import product
from typing import Any

import pytest

from supervisor import (
    Reject,
    Retry,
    SoftTimeoutError,
    TaskConfig,
    TaskOptionError,
    TaskTimeoutError,
    WorkerLostError,
    task,
)
from supervisor.functions import Packing, Resolver
from supervisor.policy import NO_POLICY, ErrorHandler, Policy
from supervisor.worker.deciding import Answer, decide

LOST = WorkerLostError("id", "its process was killed by SIGKILL")
LATE = TaskTimeoutError("id", 1.0)
ERRORS = (ValueError("x"), ConnectionError("x"), SoftTimeoutError(1.0), SystemExit(1), LATE, LOST)
TYPES = (None, (), (ConnectionError,), (OSError, TaskTimeoutError), (Exception,), (BaseException,), (WorkerLostError,))
ANSWERS = (True, False, 1, "", None)


class Handler:
    """Answers, or raises, and counts how often it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.heard: list[BaseException] = []

    def __call__(self, task_id: str, error: BaseException, attempt: int) -> bool:
        self.heard.append(error)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return bool(self.answer)


def answered(policy: Policy, error: BaseException) -> Answer:
    handler = policy.error_handler
    return decide(policy, error, lambda about: handler and handler("id", about, 1))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_combination_of_types_and_answers(error: BaseException) -> None:
    for allowed, never, answer in product(TYPES, (tuple(t) for t in TYPES if t is not None), (None, *ANSWERS)):
        handler = None if answer is None else Handler(answer)
        policy = Policy(allowed, never, handler)
        listed = allowed is None or isinstance(error, allowed)
        by_type = not isinstance(error, never) and (listed or isinstance(error, WorkerLostError))
        expected = by_type and (handler is None or bool(answer))
        assert answered(policy, error) == Answer(expected), (policy, error)
        if handler is not None:
            assert handler.heard == ([error] if by_type else []), "types come first"
        by_kill = policy.forbids(TaskTimeoutError) or policy.forbids(WorkerLostError)
        assert policy.asks_after_kill == (handler is not None or by_kill)


@pytest.mark.parametrize("policy", [NO_POLICY, Policy((), (Retry,), Handler(answer=False))])
def test_what_the_task_asks_for_comes_before_all(policy: Policy) -> None:
    assert answered(policy, Retry()) == Answer(again=True)
    assert answered(policy, Retry(in_="2m")) == Answer(again=True, retry_in=120.0)
    assert answered(Policy((Reject,), (), Handler(answer=True)), Reject("enough")) == Answer(again=False)


def test_a_handler_may_ask_for_it_too() -> None:
    assert answered(Policy(error_handler=Handler(Retry(in_=5))), LOST) == Answer(again=True, retry_in=5.0)
    assert answered(Policy(error_handler=Handler(Reject())), LATE) == Answer(again=False)


@pytest.mark.parametrize("fault", [RuntimeError("bad"), SystemExit(3), KeyboardInterrupt()])
def test_a_handler_that_raises_has_not_answered(fault: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(Policy(error_handler=Handler(fault)), ValueError("x")) == Answer(again=True)
    assert type(fault).__name__ in capsys.readouterr().err


def test_a_request_says_when_and_why() -> None:
    assert str(Retry("the shop is closed", in_=1.5)) == "to be run again in 1.5 s: the shop is closed"
    assert str(Retry()) == "to be run again"
    assert str(Retry(in_="300d")) == "to be run again in 25920000 s"
    assert str(Reject("no such customer")) == "rejected: no such customer"
    again = pickle.loads(pickle.dumps(Retry("closed", in_=3)))
    assert (again.reason, again.in_) == ("closed", 3.0)


class Closed(Retry):
    """Of somebody who never heard of our ``__init__``."""

    def __init__(self) -> None:
        pass


def test_a_subclass_of_it_need_not_say_anything() -> None:
    assert answered(NO_POLICY, Closed()) == Answer(again=True)


def test_a_time_in_the_place_of_the_reason_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a time is given as Retry\(in_=60\)"):
        Retry(60)  # type: ignore[arg-type]


@pytest.mark.parametrize("in_", [-1, "soon", float("nan"), float("inf"), True])
def test_a_time_that_makes_no_sense_is_refused(in_: float | str) -> None:
    with pytest.raises(TaskOptionError, match="in_="):
        Retry(in_=in_)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retry_on": "ConnectionError"}, "an exception type, or several"),
        ({"retry_on": [1]}, "an exception type, or several"),
        ({"retry_on": int}, "an exception type, or several"),
        ({"never_retry_on": None}, "an exception type, or several"),
        ({"error_handler": "handler"}, "a function of"),
        ({"error_handler": lambda error: True}, r"a function of \(task_id, error, attempt\)"),
        ({"max_retrys": 2}, "expected a known option; did you mean 'max_retries'?"),
        ({"ttl_hours": 24}, "expected a known option; see TaskConfig"),
        ({"name": 5}, "text of 1 to 255 characters"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(TaskOptionError, match=words):
        TaskConfig.of(options)


def test_the_wire_carries_no_more_than_a_flag() -> None:
    assert not TaskConfig().wire.error_handler
    assert TaskConfig(error_handler=yes).wire.error_handler
    assert TaskConfig(retry_on=ConnectionError).wire.error_handler, "a timeout is not among them"
    assert not TaskConfig(retry_on=(ConnectionError, TaskTimeoutError)).wire.error_handler
    assert not TaskConfig(never_retry_on=ValueError).wire.error_handler
    assert TaskConfig(never_retry_on=[WorkerLostError]).wire.error_handler


def yes(task_id: str, error: BaseException, attempt: int) -> bool:
    return True


@task(error_handler=yes, retry_on=OSError)
def decorated() -> None:
    """Found by the workers with its policy."""


def plain() -> None:
    """Found by the workers with none."""


def crossed(function: Any, policy: Policy) -> Policy:
    target = getattr(function, "__supervisor_function__", function)
    return Resolver().unpack(Packing(target, "f", policy).pack((), {}), "f").policy


def test_a_decorators_policy_does_not_travel() -> None:
    own = decorated.config.policy
    inside = Packing(decorated.__supervisor_function__, "f", own).pack((), {})
    assert b"yes" not in inside
    assert crossed(decorated, own) == own


@pytest.mark.parametrize("handler", [yes, lambda *_: True, None])
def test_any_other_policy_travels(handler: ErrorHandler | None) -> None:
    for function in (decorated, plain, lambda: None):
        found = crossed(function, Policy((KeyError,), (ValueError,), handler))
        assert (found.retry_on, found.never_retry_on) == ((KeyError,), (ValueError,))
        assert (found.error_handler is None) == (handler is None)
        if handler is not None:
            assert found.error_handler is not None
            assert found.error_handler("id", ValueError(), 1) is True


def test_no_policy_is_one_too() -> None:
    assert crossed(decorated, NO_POLICY) == NO_POLICY
    assert crossed(plain, NO_POLICY) == NO_POLICY


def test_options_change_one_of_the_three() -> None:
    changed = decorated.options(retry_on=KeyError).config.policy
    assert changed == Policy((KeyError,), (), yes)
    assert decorated.options(error_handler=None).config.policy == Policy((OSError,))
