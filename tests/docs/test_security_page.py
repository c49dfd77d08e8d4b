"""Every line of the page on security names tests that exist, and each of them holds at least one test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[a-z_/]+\.py)`", PAGE)))
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name):
    assert re.search(r"(?m)^\s*(?:async )?def test_|^Test\w+ = ", (ROOT / name).read_text()), f"{name} has no test"


def test_every_requirement_has_its_test():
    table = PAGE.split("## How it is shown")[1].split("\n\n**")[0]
    rows = [line for line in table.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) > 30
    assert [row for row in rows if "`tests/" not in row] == []


def test_every_target_of_make_exists():
    assert set(re.findall(r"`make ([a-z-]+)", PAGE)) <= TARGETS
