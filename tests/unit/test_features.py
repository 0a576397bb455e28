"""The tables of features name tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`")


@pytest.mark.parametrize(("page", "least"), [("features-order.md", 50), ("features-numbers.md", 40)])
def test_every_test_that_the_tables_name_exists(page: str, least: int) -> None:
    count = 0
    for part in (ROOT / "docs" / page).read_text(encoding="utf-8").split("\n## ")[1:]:
        file = ""
        for named, test in NAMED.findall(part):
            file = named or file
            source = (ROOT / file).read_text(encoding="utf-8")
            assert not test or re.search(rf"def {test}\(", source), f"{file}::{test}"
            count += 1
    assert count > least, "they are found"
