"""The tables docs/features-….md name tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = sorted((ROOT / "docs").glob("features-*.md"))
NAMED = re.compile(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_every_test_that_the_table_names_exists(table: Path) -> None:
    count = 0
    for part in table.read_text(encoding="utf-8").split("\n## ")[1:]:
        file = ""
        for named, test in NAMED.findall(part):
            file = named or file
            source = (ROOT / file).read_text(encoding="utf-8")
            assert not test or re.search(rf"def {test}\(", source), f"{file}::{test}"
            count += 1
    assert count > 20, "they are found"
