"""The tables of docs/features-*.md name tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(page.name for page in (ROOT / "docs").glob("features-*.md"))
LEAST = 10
"""Tests that a page names, if they are found at all."""


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_the_tables_name_exists(page: str) -> None:
    count = 0
    for part in (ROOT / "docs" / page).read_text(encoding="utf-8").split("\n## ")[1:]:
        current = ""
        for path, name in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", part):
            current = path or current
            source = (ROOT / current).read_text(encoding="utf-8")
            assert re.search(rf"(def|class) {name}\b", source), f"{current} has no {name}"
            count += 1
    assert count >= LEAST, "they are found"
