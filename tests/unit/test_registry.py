"""The registry of names, the first bytes of a payload, and the ready-made configs."""

from __future__ import annotations

import types
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import (
    NameTakenError,
    Priority,
    SettingsError,
    TaskConfig,
    TaskOptionError,
    high_priority_config,
    quick_config,
    registry,
    reliable_config,
    task,
)
from supervisor.settings import Settings
from supervisor.wire.call_kind import AS_JSON, BY_NAME, BY_REFERENCE, BY_VALUE, header, read_header
from supervisor.wire.info import Known
from supervisor.wire.options import NO_OPTIONS


def fresh() -> str:
    """A name that nobody has."""
    return f"name-{uuid.uuid4().hex}"


def example(data: object) -> object:
    return data


def copied(function: types.FunctionType, module: str) -> Callable[..., Any]:
    """The same function as another import of its module makes it."""
    other = types.FunctionType(function.__code__, {"__name__": module}, function.__name__)
    other.__qualname__ = function.__qualname__
    return other


def test_a_function_is_found_under_its_name_and_a_name_by_its_function() -> None:
    name = fresh()
    found = registry.register(name, example, TaskConfig(timeout=5, error_handler=lambda *_: True), spread=False)
    assert registry.find(name) is found
    assert registry.name_of(example) == name
    assert name in registry.names()
    assert registry.find(fresh()) is None
    assert registry.name_of(lambda: None) is None
    known = registry.table()[name]
    assert known == Known(spread=False, options={"timeout": 5.0}, asks_after_kill=True)


def test_a_snapshot_does_not_learn() -> None:
    before, name = registry.snapshot(), fresh()
    registry.register(name, example, TaskConfig(), spread=False)
    assert name not in before
    assert name in registry.snapshot()


def test_the_same_function_may_come_again_and_the_last_counts() -> None:
    name = fresh()
    assert isinstance(example, types.FunctionType)
    copies = [copied(example, module) for module in ("tests.one", "__main__", "tests.one")]
    for each in copies:
        registry.register(name, each, TaskConfig(), spread=False)
    found = registry.find(name)
    assert found is not None
    assert found.function is copies[-1]
    assert [registry.name_of(each) for each in copies] == [None, None, name]


def test_another_function_may_not_take_a_name() -> None:
    name = fresh()
    registry.register(name, example, TaskConfig(), spread=False)
    with pytest.raises(NameTakenError, match=f"example and .*fresh are both registered as '{name}'"):
        registry.register(name, fresh, TaskConfig(), spread=False)
    with pytest.raises(TypeError, match="no function"):
        registry.register(fresh(), 3, TaskConfig(), spread=False)  # type: ignore[arg-type]


def test_a_task_is_registered_once_and_its_copies_are_not() -> None:
    name = fresh()
    decorated = task(name=name)(example)
    options = decorated.options(timeout=3)
    assert options.config.timeout == 3.0
    found = registry.find(name)
    assert found is not None
    assert found.config is decorated.config


@given(kind=st.sampled_from([BY_NAME, AS_JSON]), name=st.text(max_size=255), body=st.binary())
def test_a_name_is_read_back(kind: bytes, name: str, body: bytes) -> None:
    try:
        head = header(kind, name)
    except UnicodeEncodeError:  # half of a surrogate pair is no text
        return
    found = read_header(head + body)
    assert found == (name, len(head))


@given(st.binary())
def test_whatever_comes_is_read_or_refused(payload: bytes) -> None:
    try:
        found = read_header(payload)
    except ValueError:
        assert payload[:1] in (BY_NAME, AS_JSON)
    else:
        assert (found is None) == (payload[:1] not in (BY_NAME, AS_JSON))


def test_other_calls_have_no_name() -> None:
    assert read_header(BY_REFERENCE + b"xxxx") is None
    assert read_header(BY_VALUE + b"xxxx") is None
    assert read_header(b"") is None


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (quick_config, {"timeout": 30.0, "max_retries": 0, "expires": 300.0, "result_ttl": 3600.0}),
        (reliable_config, {"timeout": 900.0, "max_retries": 10, "retry_delay": 2.0, "max_delay": 600.0}),
        (reliable_config, {"backoff": 2.0, "retry_jitter": 5.0, "crash_budget": 5}),
        (high_priority_config, {"priority": Priority.HIGH, "timeout": 120.0, "max_retries": 3}),
        (high_priority_config, {"retry_delay": 0.5, "max_delay": 10.0}),
    ],
)
def test_ready_made_configs_have_the_documented_values_and_take_overrides(
    make: Callable[..., TaskConfig], expected: dict[str, object]
) -> None:
    config = make()
    assert {name: getattr(config, name) for name in expected} == expected
    changed = make(timeout="7s", queue="mails")
    assert (changed.timeout, changed.queue) == (7.0, "mails")
    assert changed.replace({"timeout": config.timeout, "queue": "default"}) == config
    assert config.wire != NO_OPTIONS
    with pytest.raises(TaskOptionError, match="timeout"):
        make(timeout="soon")


def test_queue_limits_are_read_from_text_and_mappings() -> None:
    def load(value: object) -> object:
        return Settings.load(command_line={"queue_limits": value}, environ={}).settings.queue_limits

    assert load("mails=10 reports=1_000") == {"mails": 10, "reports": 1000}
    assert load("mails=10,reports=1000") == load({"mails": 10, "reports": "1000"})
    assert load("none") is None
    for wrong in ("mails", "mails=0", "mails=1 mails=2", "=3", "", "mails=-1", {"mails": "many"}, {}, 7):
        with pytest.raises(SettingsError, match="queue_limits must be"):
            load(wrong)
    settings = Settings.load(command_line={"queue_limits": "mails=10"}, environ={}).settings
    assert Settings.from_json(settings.to_json()) == settings
