"""The API reference is what the docstrings say, and leaves nothing out."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import supervisor
from scripts.reference.page import page
from supervisor import errors, gunicorn, testing

PAGE = Path(__file__).parent.parent.parent / "docs" / "api.md"
NAMES = [*supervisor.__all__, *(name for name, _ in inspect.getmembers(errors, inspect.isclass))]


def members() -> list[str]:
    """Every public method and property of the public classes, as ``Class.name``, where it is their own."""
    found = [getattr(supervisor, name) for name in supervisor.__all__]
    return [
        f"{each.__name__}.{name}"
        for each in found
        if inspect.isclass(each) and not issubclass(each, Exception)
        for owner in each.__mro__
        if owner.__module__.startswith("supervisor.")
        if owner is each or owner.__name__ not in supervisor.__all__  # else they are in its own section
        for name, value in vars(owner).items()
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property | classmethod))
    ]


def test_the_page_is_what_the_docstrings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "out of date: run scripts/api-reference"


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name: str) -> None:
    assert re.search(rf"`{name}`|supervisor\.{name}\b", page())


@pytest.mark.parametrize("name", members())
def test_every_public_method_is_there(name: str) -> None:
    owner, _, method = name.partition(".")
    section = re.split(r"^##+ ", page().partition(f"### `{owner}`\n")[2].partition("\n### ")[0], flags=re.MULTILINE)
    assert re.search(rf"`\.{method}`", "".join(section)), f"{name} is not in the section of its class"


@pytest.mark.parametrize("name", ["attach", "web_cpus"])
def test_what_gunicorns_config_file_calls_is_there(name: str) -> None:
    assert callable(getattr(gunicorn, name))
    assert f"### `{name}`" in page()


@pytest.mark.parametrize("name", testing.__all__)
def test_what_tests_of_applications_use_is_there(name: str) -> None:
    assert getattr(testing, name).__name__ == name
    assert f"### `{name}`" in page()


def test_no_markup_of_docstrings_is_left() -> None:
    assert not re.search(r":\w+:`|(?<!`)``(?!`)", page())
